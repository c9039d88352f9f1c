"""Keeping one object of a C-STORE while it comes: Success means that the bytes are on our disk.

https://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_B.2.3.html
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import structlog
from pynetdicom.events import Event

from scp.arrival import FETCHED, Arrival, Refusal
from scp.command import Answer, Command
from scp.counters import Count, Counters
from scp.inbox import Inbox, Writing
from scp.peers import Peer, PeerBook, Right
from scp.presence import Presence
from scp.reasons import Reason, Unacceptable
from scp.screen import NOT_READ, Identity, Screening, uid_text

log = structlog.get_logger()

SUCCESS: Final = Answer(0x0000)
OUT_OF_RESOURCES: Final = Answer(0xA700, "Not kept: our disk said no. Please send it again later")
NOT_AUTHORISED: Final = Answer(0x0124, "This application entity may no longer store here")
NO_DATA_SET: Final = Answer(0x0212, "The request comes without a data set")
OTHER_CONTEXT: Final = Answer(0x0122, "The presentation context is not for this SOP class")
INVALID_INSTANCE: Final = Answer(0x0117, "The SOP Instance UID is not written as DICOM requires")
OUR_FAULT: Final = Answer(0xC0FF, "Not kept: an error of the receiver, which has been logged")
"""The statuses that are not about the content of an object (PS3.7 section 9.1.1.1.9); those are in `scp.reasons`."""


class Door:
    """Where objects come in. It knows how many are just being kept, and may be closed to further ones."""

    def __init__(
        self, book: PeerBook, inbox: Inbox, counters: Counters, presence: Presence, own_title: str = ""
    ) -> None:
        self.book, self.inbox, self.counters, self.presence, self.own_title = book, inbox, counters, presence, own_title
        self.closing = threading.Event()
        self._busy: set[int] = set()
        self._lock = threading.Lock()

    def peer(self, calling: str) -> Peer | None:
        """Who calls; None if we do not know them (any more)."""
        return self.book.find(calling)

    def was_fetched(self, request: Command) -> bool:
        """Tell whether it comes because we asked for it, by C-MOVE."""
        return bool(self.own_title) and request.originator == self.own_title

    def check(self, identity: Identity) -> None:
        """Raise Unacceptable for an object that must not come in here, however sound it is."""

    def kept(self, identity: Identity) -> None:
        """An object is durably in the inbox."""

    def is_busy(self, association: object) -> bool:
        """Tell whether an object of this association is just being kept."""
        return id(association) in self._busy

    def mark(self, association: object, *, busy: bool) -> None:
        """Note that an object of this association is being kept, or no longer."""
        with self._lock:
            (self._busy.add if busy else self._busy.discard)(id(association))

    @contextmanager
    def working(self, association: object) -> Iterator[None]:
        """Mark an association as busy while a message of another kind is answered."""
        self.mark(association, busy=True)
        try:
            yield
        finally:
            self.mark(association, busy=False)


class Storing:
    """One object on its way in. Whatever goes wrong becomes the answer; the bytes that still come are let go."""

    def __init__(
        self, door: Door, association: Hashable, calling: str, request: Command, context: tuple[str, str]
    ) -> None:
        """`context`: abstract syntax and transfer syntax of the presentation context."""
        self._door, self._association, self._calling, self._request = door, association, calling, request
        self._syntax = context[1]
        self._answer: Answer | None = None
        self._writing: Writing | None = None
        self._so_far: Callable[[], Identity] = lambda: NOT_READ
        with self._judged():
            self._begin(context[0])

    def write(self, piece: memoryview) -> None:
        """Take the next bytes of the data set."""
        if self._writing is not None:
            with self._judged():
                self._screening.feed(piece)
                self._writing.write(piece)

    def finish(self) -> Answer:
        """Keep the object, now that all of it was there, and return what to answer."""
        if self._writing is not None:
            with self._judged():
                self._keep(self._writing)
        return self._answer or SUCCESS

    @property
    def study_uid(self) -> str:
        """Of which study it says it is; "" as long as that was not read."""
        return self._so_far().study_uid

    def drop(self) -> None:
        """Keep nothing of it, unless it was kept."""
        if self._writing is not None:
            self._writing.drop()
            self._writing = None

    def _begin(self, abstract_syntax: str) -> None:
        peer = self._door.peer(self._calling)
        self._answer = _objection(peer, self._request, abstract_syntax)
        if peer is not None and self._answer is None:
            self._peer = peer
            self._screening = Screening(self._syntax, self._door.inbox.largest)
            self._so_far = self._screening.so_far
            self._writing = self._door.inbox.begin()

    def _keep(self, writing: Writing) -> None:
        identity = self._screening.finish()
        _check_announced(self._request, identity)
        self._door.check(identity)
        size = writing.size
        writing.keep(
            Arrival(
                self._peer.origin,
                self._peer.ae_title,
                identity.sop_class_uid,
                identity.sop_uid,
                identity.study_uid,
                identity.series_uid,
                self._syntax,
                datetime.now(UTC),
                fetched=FETCHED if self._door.was_fetched(self._request) else "",
            )
        )
        self._writing = None
        self._door.kept(identity)
        self._door.counters.add(Count.INSTANCES)
        self._door.counters.add(Count.BYTES, size)
        self._door.presence.stored(self._association, self._peer.origin, identity.study_uid)

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """Turn what is raised into the answer, with nothing of the object left behind."""
        try:
            yield
        except Unacceptable as error:
            self._refuse(error)
        except OSError as error:
            self._fail(OUT_OF_RESOURCES)
            sop_uid = printable(self._request.sop_uid)
            log.warning("could not keep an instance", peer=self._calling, sop_uid=sop_uid, error=error.strerror)
        except Exception:  # the edge of the process: pynetdicom would end the association's thread
            self._fail(OUR_FAULT)
            log.exception("an instance was not kept because of an error of ours", peer=self._calling)

    def _fail(self, answer: Answer) -> None:
        self.drop()
        self._answer = answer
        self._door.counters.add(Count.FAILED)

    def _refuse(self, error: Unacceptable) -> None:
        self.drop()
        self._answer = Answer(error.status, error.sentence)
        self._door.counters.add(Count.REFUSED)
        sop_uid = printable(self._request.sop_uid)
        log.warning("refused an instance", peer=self._calling, sop_uid=sop_uid, reason=str(error))
        try:
            self._door.inbox.refuse(self._refusal(error))
        except OSError as failure:
            log.warning("could not note a refusal", peer=self._calling, sop_uid=sop_uid, error=failure.strerror)

    def _refusal(self, error: Unacceptable) -> Refusal:
        said = self._so_far()
        return Refusal(
            self._peer.origin,
            self._peer.ae_title,
            str(error),
            error.status,
            said.sop_class_uid or printable(self._request.sop_class_uid),
            said.sop_uid or printable(self._request.sop_uid),  # the same object, rightly announced, is known by its own
            said.study_uid,
            datetime.now(UTC),
            said.series_uid,
        )


def on_c_echo(event: Event, counters: Counters) -> int:
    """Answer one C-ECHO."""
    counters.add(Count.ECHOES)
    return SUCCESS.status


def printable(uid: str) -> str:
    """What may be shown of a UID that nobody has checked."""
    return "".join(char for char in uid[:64] if char.isascii() and char.isprintable())


def _objection(peer: Peer | None, request: Command, abstract_syntax: str) -> Answer | None:
    """Tell what stands against the request itself, before any of the object was seen."""
    if peer is None or Right.STORE not in peer.rights:
        return NOT_AUTHORISED
    if not request.has_data_set:
        return NO_DATA_SET
    if request.sop_class_uid != abstract_syntax:
        return OTHER_CONTEXT
    try:
        uid_text(request.sop_uid.encode(), "")
    except Unacceptable:
        return INVALID_INSTANCE
    return None


def _check_announced(request: Command, identity: Identity) -> None:
    if request.sop_class_uid != identity.sop_class_uid:
        raise Unacceptable(Reason.OTHER_CLASS)
    if request.sop_uid != identity.sop_uid:
        raise Unacceptable(Reason.OTHER_INSTANCE)
