"""A file from the web goes the way of an instance from the network: screened before any parser, then the inbox."""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from dicomweb.keeping import FailureReason, Keep, Kept, NotKept, StoreTarget, Takes
from scp.arrival import UPLOAD, Arrival
from scp.inbox import Inbox
from scp.part10 import NotDicom, split_part10
from scp.reasons import Unacceptable
from scp.screen import Identity, screen
from worklist.access import Viewer
from worklist.states import Role


@dataclass(frozen=True, slots=True)
class Looked:
    """A screened object: who it is, how it is encoded, and its bytes."""

    identity: Identity
    transfer_syntax: str
    dataset: memoryview

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
    return Looked(screen(dataset, transfer_syntax), transfer_syntax, dataset)


def put(inbox: Inbox, looked: Looked, origin: str) -> None:
    """Keep it: durable on return. Raises OSError if the disk says no; nothing was kept then."""
    identity = looked.identity
    arrival = Arrival(
        origin=origin,
        sender=UPLOAD,
        sop_class_uid=identity.sop_class_uid,
        sop_uid=identity.sop_uid,
        study_uid=identity.study_uid,
        series_uid=identity.series_uid,
        transfer_syntax=looked.transfer_syntax,
        received_at=datetime.now(UTC),
    )
    inbox.put(arrival, looked.dataset)


def store_target(inbox: Inbox) -> StoreTarget:
    """Where STOW-RS puts what somebody sends: a person of a site sends for that site, nobody else sends here."""

    def target(who: Viewer, takes: Takes) -> Keep | None:
        if Role.SITE not in who.roles or who.site_id is None:
            return None
        origin = f"site:{who.site_id}"
        return lambda file: _keep(inbox, file, origin, takes)

    return target


def _keep(inbox: Inbox, file: BinaryIO, origin: str, takes: Takes) -> Kept:
    try:
        looked = looked_at(file)
        one = looked.identity
        if not takes(origin, one.study_uid):
            raise NotKept(
                FailureReason.OTHER_STUDY,
                "The instance belongs to another study than the request is for.",
                sop_class_uid=one.sop_class_uid,
                sop_uid=one.sop_uid,
            )
        put(inbox, looked, origin)
    except NotDicom as error:
        raise NotKept(FailureReason.CANNOT_UNDERSTAND, str(error)) from error
    except Unacceptable as error:
        raise NotKept(error.status, error.sentence) from error
    return Kept(one.sop_class_uid, one.sop_uid, one.study_uid, one.series_uid)
