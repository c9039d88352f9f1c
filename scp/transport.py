"""pynetdicom's acceptor within bounds: every read has a size and a deadline, every peer a share of the connections.

As shipped, pynetdicom reads a PDU of any announced length into memory and waits for ever for its end, before any AE
title was looked at. The bounds below hold for every connection. TLS and a bound on one association's data come with
`ssl_context` and `Limits`, without another class.
"""

import select
import socket
import time
from dataclasses import dataclass
from socketserver import TCPServer
from typing import Final, cast

from pynetdicom import evt, transport
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association

from scp.waking import make_patient, wait_readable

_KEEPALIVE: dict[int, int] = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
_REQUEST_BYTES: Final = 65_536
_BEFORE_ACCEPTANCE: Final = frozenset({"Sta1", "Sta2", "Sta3"})  # PS3.8 section 9.2
_MOST_WAITING_MESSAGES: Final = 1
_BACK_PRESSURE_SECONDS: Final = 0.002


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may take. Sizes in bytes, times in seconds."""

    pdu_bytes: int = 262_144
    object_bytes: int = 2 << 30
    pdu_seconds: float = 30.0
    least_bytes_per_second: int = 8_192
    connections: int = 64
    connections_per_address: int = 64


class ClosingSocket(transport.AssociationSocket):
    """A connection that sends at once and is closed at its end, also where it was never open.

    Nagle's algorithm costs 40 ms for each message; pynetdicom leaves a descriptor behind for each failed connection.
    """

    def _create_socket(self, address: transport.AddressInformation) -> socket.socket:
        connection = super()._create_socket(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _shutdown_socket(self) -> None:
        connection = self.socket
        super()._shutdown_socket()
        if connection is not None:
            connection.close()


class BoundedSocket(ClosingSocket):
    """A connection whose reads end: by size, by deadline, or by a service that does not keep up."""

    def __init__(self, assoc: Association, client_socket: socket.socket, limits: Limits) -> None:
        super().__init__(assoc, client_socket=client_socket)
        self._limits = limits
        self._message_bytes = 0
        self._wake = make_patient(assoc)
        self._descriptor = client_socket.fileno()
        self._poll = select.poll()  # select() fails for descriptors from 1,024 on
        self._poll.register(self._descriptor, select.POLLIN)
        self._poll.register(self._wake.descriptor, select.POLLIN)

    @property
    def ready(self) -> bool:
        """Wait for something to read; False after a while, or when there is something to send.

        Nothing is read as long as the objects before it are still being kept: the peer has to wait.
        """
        if self.socket is None or not self._is_connected or self.event_queue.qsize():
            return False
        if self.assoc.dimse.msg_queue.qsize() > _MOST_WAITING_MESSAGES:
            time.sleep(_BACK_PRESSURE_SECONDS)
            return False
        return wait_readable(self._poll, self._wake, self._descriptor)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read exactly so many bytes, fewer when the peer closes; OSError beyond a bound ends the association."""
        self._check_size(nr_bytes)
        data = bytearray(nr_bytes)
        view, read = memoryview(data), 0
        connection = cast(socket.socket, self.socket)
        deadline = time.monotonic() + self._limits.pdu_seconds + nr_bytes / self._limits.least_bytes_per_second
        while read < nr_bytes:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the peer sends too slowly")
            connection.settimeout(left)
            more = connection.recv_into(view[read:])
            if not more:
                break
            read += more
        connection.settimeout(self._limits.pdu_seconds)  # for whoever sends next, to a peer that may not read
        view.release()
        del data[read:]
        return data

    def _check_size(self, nr_bytes: int) -> None:
        # the state machine of this thread: `is_established` is set by another, perhaps after the first object's PDU
        requesting = self.assoc.dul.state_machine.current_state in _BEFORE_ACCEPTANCE
        if nr_bytes > (_REQUEST_BYTES if requesting else self._limits.pdu_bytes):
            raise OSError(f"a PDU of {nr_bytes} bytes is refused")
        within = self.assoc.dimse.message is not None
        self._message_bytes = nr_bytes + (self._message_bytes if within else 0)
        if self._message_bytes > self._limits.object_bytes:
            raise OSError("an object is larger than this receiver takes")


class BoundedHandler(transport.RequestHandler):
    """Makes the association of one connection, on a bounded socket and without copying 170 contexts for each."""

    server: "BoundedServer"

    def _create_association(self) -> Association:
        assoc = Association(self.ae, MODE_ACCEPTOR)
        assoc._server = self.server
        assoc.name = f"AcceptorThread@{self.client_address[0]}:{self.client_address[1]}"  # found by this prefix
        assoc.dul.daemon = True
        assoc.set_socket(BoundedSocket(assoc, cast(socket.socket, self.request), self.server.limits))
        acceptor = assoc.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        assoc.requestor.address_info = self.remote
        for event, bound in self.server.bound_handlers:
            assoc.bind(event, *bound)
        return assoc


Bound = tuple[evt.EventType, evt._HandlerBase]


class BoundedServer(transport.ThreadedAssociationServer):
    """Listens on a port that several processes may share, and accepts within limits."""

    request_queue_size = 128
    daemon_threads = True
    limits = Limits()

    @property
    def bound_handlers(self) -> list[Bound]:
        """The handlers for a new association: one for each intervention event, any number for notifications."""
        bound: list[Bound] = []
        for event, handlers in self._handlers.items():
            one = [handlers] if isinstance(handlers, tuple) else handlers
            bound.extend((event, handler) for handler in one if handler[0] is not None)
        return bound

    def server_bind(self) -> None:
        """Bind the port together with other processes (SO_REUSEPORT): the kernel spreads connections over them."""
        listener = cast(socket.socket, self.socket)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        TCPServer.server_bind(self)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection that answers at once and is given up when its peer has vanished."""
        connection, address = cast(socket.socket, self.socket).accept()
        connection.settimeout(self.limits.pdu_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        return connection, address

    def verify_request(self, request: object, client_address: object) -> bool:
        """Tell whether there is room for one more connection, before any thread is made for it."""
        live = self.active_associations
        if len(live) >= self.limits.connections:
            return False
        address = cast(tuple[str, int], client_address)[0]
        return sum(one.requestor.address == address for one in live) < self.limits.connections_per_address
