"""Where the archive has a file: as an instance of its own, or as an attachment of the instance that came first.

Orthanc makes its identifier from Patient ID and UIDs, so that of two files that share them only the first can be an
instance. docs/adr/0006-a-second-content-is-an-attachment.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orthanc.errors import NotInArchive

FIRST_NUMBER: Final = 1024
LAST_NUMBER: Final = 65535
"""Orthanc's numbers for attachments of a user's own."""

TRIES: Final = 64
_PLACE = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{8}){4})(?:/([1-9][0-9]{3,4}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """One file in the archive; `number` is None for the instance itself."""

    instance: str
    number: int | None = None

    def __str__(self) -> str:
        return self.instance if self.number is None else f"{self.instance}/{self.number}"

    @property
    def path(self) -> str:
        """The file's address below Orthanc's own."""
        return f"/instances/{self.instance}/attachments/{'dicom' if self.number is None else self.number}"


def place_of(archive_id: str) -> Place:
    """Let only what looks like an archive ID into a URL. Raises NotInArchive."""
    found = _PLACE.fullmatch(archive_id)
    number = int(found[2]) if found and found[2] else None
    if found is None or not (number is None or FIRST_NUMBER <= number <= LAST_NUMBER):
        raise NotInArchive("This is not the ID of anything in the archive.")
    return Place(found[1], number)


def variants(instance: str, md5: str) -> Iterator[Place]:
    """Say where a second content may lie, the first choice first: the same content always looks in the same places."""
    count = LAST_NUMBER - FIRST_NUMBER + 1
    start = int(md5, 16)
    return (Place(instance, FIRST_NUMBER + (start + step) % count) for step in range(TRIES))
