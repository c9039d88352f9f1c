"""A file from the web goes the way of an instance from the network: screened before any parser, then the inbox."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from scp.arrival import UPLOAD, Arrival
from scp.inbox import Inbox
from scp.part10 import NotDicom, split_part10
from scp.reasons import Unacceptable
from scp.screen import Identity, Screening

HEAD = 1 << 20  # bytes in which a file says how it is encoded
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Looked:
    """A screened object: who it is, how it is encoded, and where in its file the data set begins.

    The file is read piece by piece each time: nothing here grows with it.
    """

    identity: Identity
    transfer_syntax: str
    file: BinaryIO
    dataset_at: int

    def sha256(self) -> str:
        """The digest of the dataset, as the archive's rows have it."""
        digest = hashlib.sha256()
        for piece in pieces(self.file, self.dataset_at):
            digest.update(piece)
        return digest.hexdigest()


class Unfit(Unacceptable):
    """An object that can never be kept as it is; `said` is who it says it is, as far as it was read."""

    def __init__(self, error: Unacceptable, said: Identity) -> None:
        super().__init__(error.reason, error.detail)
        self.said = said


def looked_at(file: BinaryIO, largest: int | None = None) -> Looked:
    """Screen a Part 10 file without having it in memory; `largest`: as of `Screening`.

    Raises NotDicom, Unacceptable: Unfit if it was read.
    """
    head = next(pieces(file, 0, HEAD), b"")
    if not head:
        raise NotDicom("This file is empty.")
    transfer_syntax, begun = split_part10(head)
    dataset_at = len(head) - len(begun)
    return Looked(_screened(file, dataset_at, Screening(transfer_syntax, largest)), transfer_syntax, file, dataset_at)


def _screened(file: BinaryIO, dataset_at: int, screening: Screening) -> Identity:
    try:
        for piece in pieces(file, dataset_at):
            screening.feed(piece)
        return screening.finish()
    except Unacceptable as error:
        raise Unfit(error, screening.so_far()) from error


def pieces(file: BinaryIO, at: int, size: int = PIECE) -> Iterator[bytes]:
    """Read a file from a place on; no memory map, whose pages would count as ours."""
    file.seek(at)
    while piece := file.read(size):
        yield piece


def put(inbox: Inbox, looked: Looked, origin: str, sender: str = UPLOAD, made_by: str = "", fetched: str = "") -> None:
    """Keep it: durable on return. Raises OSError if the disk says no; nothing was kept then."""
    identity = looked.identity
    arrival = Arrival(
        origin=origin,
        sender=sender,
        sop_class_uid=identity.sop_class_uid,
        sop_uid=identity.sop_uid,
        study_uid=identity.study_uid,
        series_uid=identity.series_uid,
        transfer_syntax=looked.transfer_syntax,
        received_at=datetime.now(UTC),
        made_by=made_by,
        fetched=fetched,
    )
    with inbox.begin() as writing:
        for piece in pieces(looked.file, looked.dataset_at):
            writing.write(piece)
        writing.keep(arrival)
