"""A file from the web goes the way of an instance from the network: screened before any parser, then the inbox."""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from scp.arrival import UPLOAD, Arrival
from scp.inbox import Inbox
from scp.part10 import NotDicom, split_part10
from scp.screen import Identity, screen


@dataclass(frozen=True, slots=True)
class Looked:
    """A screened object: who it is, how it is encoded, its bytes, and those of the file around it."""

    identity: Identity
    transfer_syntax: str
    dataset: memoryview
    part10: memoryview

    def sha256(self) -> str:
        """The digest of the dataset, as the archive's rows have it."""
        return hashlib.sha256(self.dataset).hexdigest()


def looked_at(file: BinaryIO) -> Looked:
    """Screen a Part 10 file without reading it into memory. Raises NotDicom, Unacceptable."""
    if os.fstat(file.fileno()).st_size == 0:
        raise NotDicom("This file is empty.")
    # The map is never closed by hand: a traceback may still hold views of it. It goes with the last of them.
    view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    transfer_syntax, dataset = split_part10(view)
    return Looked(screen(dataset, transfer_syntax), transfer_syntax, dataset, view)


def put(inbox: Inbox, looked: Looked, origin: str, sender: str = UPLOAD, made_by: str = "") -> None:
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
    )
    inbox.put(arrival, looked.dataset)
