"""Does the archive hold exactly this? Asked of the archive, never of a row."""

from __future__ import annotations

import hashlib

from orthanc.archive import Archive
from orthanc.errors import GoneFromDisk, NotInArchive
from scp.part10 import NotDicom, split_part10


def holds(archive: Archive, archive_id: str, md5: str, sha256: str) -> bool:
    """Whether the archive, reading its disk again, has this file (its MD5), or at least its dataset (SHA-256), under an
    identifier. Its index alone proves nothing: it outlives files in a power cut.

    The same dataset may lie there with another file head, e.g. of an earlier version of Overread. Raises
    ArchiveUnavailable.
    """
    try:
        if archive.md5(archive_id) == md5:
            return archive.verify(archive_id)
        return _dataset_digest(archive.fetch(archive_id)) == sha256
    except (NotInArchive, GoneFromDisk):
        return False


def _dataset_digest(part10: bytes) -> str:
    try:
        return hashlib.sha256(split_part10(part10)[1]).hexdigest()
    except NotDicom:
        return ""
