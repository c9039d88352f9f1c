"""The connection of an association that a peer opened: bounded in sizes and times, and quick with objects.

pynetdicom's transport thread asks `ready` whether there is something to read, and reads it with `recv`. While an
association is established, `ready` takes P-DATA-TF PDUs itself and gives them to the `Stream`: objects never pass
pynetdicom's queues, copies and threads. Everything else is left to pynetdicom, which owns the association.
"""

import contextlib
import select
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

import structlog
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_P_ABORT

from scp.incoming import Incoming
from scp.limits import Limits
from scp.pdv import PDATA, PDU_HEAD
from scp.presence import Sent
from scp.storing import Door
from scp.stream import Aborting, Line, Stream, Violation
from scp.transport import ClosingSocket
from scp.waking import WAIT_SECONDS, make_patient

log = structlog.get_logger()

_ESTABLISHED: Final = "Sta6"  # PS3.8 section 9.2
_AWAITING_REQUEST: Final = "Sta2"
_BEFORE_ACCEPTANCE: Final = frozenset({"Sta1", "Sta2", "Sta3"})
_CLOSING: Final = "Sta13"
_MOST_WAITING_MESSAGES: Final = 1
_BACK_PRESSURE_SECONDS: Final = 0.002
_CLOSING_SECONDS: Final = 0.1
_MOST_IGNORED: Final = 64
OPENING = 42  # bytes of an A-ASSOCIATE-RQ, PS3.8 section 9.3.2
_NOT_NOW: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True)
class Brought:
    """What came on an association: images by study, the last study at the end, and the study of one cut in the middle.

    `unfinished` is "" if it was not read of which study that is, None if there was none; `silent`: seconds since
    something came last.
    """

    images: dict[Sent, int]
    unfinished: str | None
    silent: float


class BoundedSocket(ClosingSocket):
    """Used by the transport thread of its association, and by `finish` after that has ended."""

    def __init__(self, assoc: Association, client_socket: socket.socket, limits: Limits, door: Door) -> None:
        super().__init__(assoc, client_socket=client_socket)
        client_socket.setblocking(False)
        self._connection, self._limits, self._door = client_socket, limits, door
        self._input = Incoming(client_socket, limits.pdu_bytes)
        self._stream: Stream | None = None
        self._unfinished: str | None = None
        self._handed_on: deque[bytes] = deque()
        self.opening = b""
        """The first bytes that the peer sent, up to the end of the names in an association request."""
        self._request_until = time.monotonic() + limits.request_seconds
        self._pdu_until = 0.0
        self._heard_at = time.monotonic()
        self._wake = make_patient(assoc)
        self._descriptor = client_socket.fileno()
        self._poll = select.poll()  # select() fails for descriptors from 1,024 on
        self._poll.register(self._descriptor, select.POLLIN)
        self._poll.register(self._wake.descriptor, select.POLLIN)

    @property
    def ready(self) -> bool:
        """Wait for something that pynetdicom shall read; False after a while, or when there is something to send.

        Nothing is read as long as the messages before it are still being answered: the peer has to wait.
        """
        if self.socket is None or not self._is_connected or self.event_queue.qsize():
            return False
        if self._handed_on:
            return True
        if self.assoc.dimse.msg_queue.qsize() > _MOST_WAITING_MESSAGES:
            time.sleep(_BACK_PRESSURE_SECONDS)
            return False
        state = self.assoc.dul.state_machine.current_state
        if state == _ESTABLISHED:
            return self._established()
        if state == _CLOSING:
            return self._ignore()
        return bool(len(self._input)) or self._wait(WAIT_SECONDS)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read exactly so many bytes, fewer when the peer closes; OSError beyond a bound ends the association."""
        if self._handed_on:
            return self._recv_handed_on(nr_bytes)
        requesting = self.assoc.dul.state_machine.current_state in _BEFORE_ACCEPTANCE
        if nr_bytes > (self._limits.request_bytes if requesting else self._limits.pdu_bytes):
            raise OSError(f"a PDU of {nr_bytes} bytes is refused")
        until = self._request_until if requesting else self._deadline(nr_bytes)
        while len(self._input) < nr_bytes and not self._input.is_closed:
            if not self._input.fill() and not self._input.is_closed:
                self._wait_until(until, select.POLLIN)
        taken = self._input.take(nr_bytes)
        self.opening += bytes(taken[: OPENING - len(self.opening)])
        return taken

    def send(self, bytestream: bytes) -> None:
        """Send everything, or tell the state machine that the connection is lost (Evt17)."""
        left = memoryview(bytestream)
        until = time.monotonic() + self._limits.pdu_seconds
        try:
            while left:
                try:
                    left = left[self._connection.send(left) :]
                except _NOT_NOW:
                    self._wait_until(until, select.POLLOUT)
        except OSError:
            self.event_queue.put("Evt17")

    def end(self) -> None:
        """End the connection from another thread; the transport thread sees that, and closes it."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def finish(self) -> Brought:
        """Leave nothing behind, once the transport thread has ended, and tell what came on it; may be repeated."""
        self._drop()
        brought = Brought(self._door.presence.closed(self.assoc), self._unfinished, time.monotonic() - self._heard_at)
        self._connection.close()
        self._wake.close()
        return brought

    def _shutdown_socket(self) -> None:
        """Close; the thread that still waits for a request (PS3.8 AA-5 tells it nothing) need not wait any longer."""
        self._drop()
        super()._shutdown_socket()
        if self.assoc.dul.state_machine.current_state == _AWAITING_REQUEST:
            self.assoc.dul.to_user_queue.put(None)  # as if the time for it were over

    def _drop(self) -> None:
        if self._stream is not None:
            self._unfinished = self._stream.unfinished if self._unfinished is None else self._unfinished
            self._stream.drop()

    def _established(self) -> bool:
        """Take P-DATA-TF PDUs until there is something for pynetdicom to do, or nothing to read."""
        dul = self.assoc.dul
        try:
            while not (dul.to_provider_queue.qsize() or dul._kill_thread):
                head = self._input.head()
                if head is not None and (head[0] != PDATA or self._take(head[1])):
                    return True
                if (head is None or self._pdu_until) and not self._fill():
                    return self._input.is_closed
        except Aborting as aborting:
            self._abort(aborting)
        return False

    def _take(self, length: int) -> bool:
        """Take one PDU if all of it is there; tell whether something of it is for pynetdicom."""
        if length > self._limits.pdu_bytes:
            raise Aborting(Violation.PDU_TOO_LARGE)
        body = self._input.pdu(length)
        if body is None:
            self._pdu_until = self._pdu_until or self._deadline(length)
            return False
        self._pdu_until = 0.0
        self._handed_on.extend(self._the_stream().take(body))
        self._input.drop(PDU_HEAD.size + length)
        self.assoc.dul._idle_timer.restart()
        self._heard_at = time.monotonic()
        return bool(self._handed_on)

    def _fill(self) -> bool:
        """Read, after some waiting if need be; False when nothing came, or the connection ended."""
        if self._input.fill():
            return True
        if self._pdu_until and time.monotonic() > self._pdu_until:
            log.warning("a peer sends too slowly", address=self.assoc.requestor.address)
            self._input.is_closed = True
        return not self._input.is_closed and self._wait(WAIT_SECONDS) and self._input.fill()

    def _wait(self, seconds: float) -> bool:
        """Wait until something can be read (True), or until woken or for long enough (False)."""
        found = {number for number, _ in self._poll.poll(seconds * 1000)}
        if self._wake.descriptor in found:
            self._wake.answered()
        return self._descriptor in found

    def _wait_until(self, until: float, what: int) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the peer is too slow")
        poll = select.poll()
        poll.register(self._descriptor, what)
        poll.poll(left * 1000)

    def _deadline(self, size: int) -> float:
        return time.monotonic() + self._limits.pdu_seconds + size / self._limits.least_bytes_per_second

    def _recv_handed_on(self, size: int) -> bytearray:
        first = self._handed_on.popleft()
        if len(first) > size:
            self._handed_on.appendleft(first[size:])
        return bytearray(first[:size])

    def _ignore(self) -> bool:
        """Let go of what still comes, so that the peer can read our last word, and let the connection be closed."""
        self._input.drop(len(self._input))
        self._wait(_CLOSING_SECONDS)
        for _ in range(_MOST_IGNORED):
            if not self._input.fill():
                break
            self._input.drop(len(self._input))
        return False

    def _abort(self, aborting: Aborting) -> None:
        reason, words = aborting.violation.value
        log.warning("association aborted", why=words, address=self.assoc.requestor.address)
        self._drop()
        for queue in (self.assoc.dul.to_provider_queue, self.assoc.dul.to_user_queue):
            primitive = A_P_ABORT()
            primitive.provider_reason = reason
            queue.put(primitive)

    def _the_stream(self) -> Stream:
        if self._stream is None:
            longest = self.assoc.requestor.maximum_length
            line = Line(self.assoc, self.assoc.requestor.ae_title, self._context, longest or 0, self.send)
            self._stream = Stream(line, self._door, self._limits)
        return self._stream
