"""Answering C-STORE and C-ECHO: Success means that the bytes are on our disk.

https://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_B.2.3.html
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from typing import cast

import structlog
from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from scp.arrival import Arrival, Refusal
from scp.counters import Count, Counters
from scp.inbox import Inbox
from scp.peers import Peer, PeerBook
from scp.reasons import Reason, Unacceptable
from scp.screen import Identity, screen

log = structlog.get_logger()

SUCCESS = 0x0000
OUT_OF_RESOURCES = (0xA700, "Not kept: our disk said no. Please send it again later")
NOT_AUTHORISED = (0x0124, "This application entity may no longer store here")
OUR_FAULT = (0xC0FF, "Not kept: an error of the receiver, which has been logged")


class Door:
    """Where objects come in: keeps each one, or says why not, and knows how many are just being kept."""

    def __init__(self, book: PeerBook, inbox: Inbox, counters: Counters) -> None:
        self._book, self._inbox, self.counters = book, inbox, counters
        self._busy: set[int] = set()
        self._lock = threading.Lock()

    def is_busy(self, association: object) -> bool:
        """Tell whether an object of this association is just being kept."""
        return id(association) in self._busy

    def keep(self, peer: Peer, request: C_STORE, transfer_syntax: str) -> int | Dataset:
        """Screen and keep one object; return the status to answer with."""
        data = (request.DataSet or BytesIO()).getbuffer()
        try:
            identity = screen(data, transfer_syntax)
            _check_announced(request, identity)
        except Unacceptable as error:
            return self._refuse(peer, request, error)
        arrival = Arrival(
            peer.origin,
            peer.ae_title,
            identity.sop_class_uid,
            identity.sop_uid,
            identity.study_uid,
            identity.series_uid,
            transfer_syntax,
            datetime.now(UTC),
        )
        try:
            self._inbox.put(arrival, data)
        except OSError:
            self.counters.add(Count.FAILED)
            log.exception("could not keep an instance", peer=peer.ae_title, sop_uid=identity.sop_uid)
            return _failure(*OUT_OF_RESOURCES)
        self.counters.add(Count.INSTANCES)
        self.counters.add(Count.BYTES, len(data))
        return SUCCESS

    def find(self, ae_title: str) -> Peer | None:
        """Return the peer as the book has it now."""
        return self._book.find(ae_title)

    @contextmanager
    def working(self, association: object) -> Iterator[None]:
        """Mark an association as busy."""
        with self._lock:
            self._busy.add(id(association))
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(id(association))

    def _refuse(self, peer: Peer, request: C_STORE, error: Unacceptable) -> Dataset:
        self.counters.add(Count.REFUSED)
        sop_uid = _printable(request.AffectedSOPInstanceUID)
        log.warning("refused an instance", peer=peer.ae_title, sop_uid=sop_uid, reason=str(error))
        try:
            self._inbox.refuse(
                Refusal(
                    peer.origin,
                    peer.ae_title,
                    str(error),
                    error.status,
                    _printable(request.AffectedSOPClassUID),
                    sop_uid,
                    "",
                    datetime.now(UTC),
                )
            )
        except OSError:
            log.exception("could not note a refusal", peer=peer.ae_title, sop_uid=sop_uid)
        return _failure(error.status, error.sentence)


def on_c_store(event: Event, door: Door) -> int | Dataset:
    """Answer one C-STORE; whatever goes wrong, the sender is told that the object was not kept."""
    calling = event.assoc.requestor.ae_title
    with door.working(event.assoc):
        try:
            peer = door.find(calling)
            if peer is None:
                return _failure(*NOT_AUTHORISED)
            return door.keep(peer, cast(C_STORE, event.request), event.context.transfer_syntax)
        except Exception:  # the edge of the process: pynetdicom would drop the association's thread
            door.counters.add(Count.FAILED)
            log.exception("an instance was not kept because of an error of ours", peer=calling)
            return _failure(*OUR_FAULT)


def on_c_echo(event: Event, door: Door) -> int:
    """Answer one C-ECHO."""
    door.counters.add(Count.ECHOES)
    return SUCCESS


def _check_announced(request: C_STORE, identity: Identity) -> None:
    if request.AffectedSOPClassUID != identity.sop_class_uid:
        raise Unacceptable(Reason.OTHER_CLASS)
    if request.AffectedSOPInstanceUID != identity.sop_uid:
        raise Unacceptable(Reason.OTHER_INSTANCE)


def _failure(status: int, comment: str) -> Dataset:
    answer = Dataset()
    answer.Status = status
    answer.ErrorComment = comment
    return answer


def _printable(uid: str | None) -> str:
    return "".join(char for char in str(uid or "")[:64] if char.isascii() and char.isprintable())
