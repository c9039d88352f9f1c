"""pynetdicom's acceptor within bounds: who may connect how often, and the handshake of TLS off the accepting thread."""

import errno
import hashlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from socketserver import TCPServer
from typing import Final, cast

import structlog
from pynetdicom import evt, transport
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association

from scp.bounded import BoundedSocket, Brought
from scp.handshake import shake_hands, why_not_secure, why_nothing_was_asked, wrapped
from scp.limits import Limits
from scp.lobby import Caller, Lobby
from scp.storing import Door

log = structlog.get_logger()

_KEEPALIVE: Final = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
_DEAD_LINK_MILLISECONDS: Final = 30_000
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_FULL_PAUSE: Final = 0.05
_END_SECONDS: Final = 5.0

Bound = tuple[evt.EventType, evt._HandlerBase]
TurnAway = Callable[[str, str], object]
"""Takes down, from which address and why, that a connection ended without an association request that can be read."""

Ended = Callable[[Association, Brought], object]
"""Takes down how an association ended, and what it had brought."""


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """Who is at the other end of a TLS connection: the certificate in DER and its SHA-256, empty if none was shown."""

    certificate: bytes
    fingerprint: str


class BoundedAssociation(Association):
    """An association that a peer opened; `tls_peer` is None on a plain connection."""

    tls_peer: TlsPeer | None = None

    def run_reactor(self) -> None:
        """Serve the association to its end, and leave nothing of it behind, whatever happens."""
        try:
            super().run_reactor()
        finally:
            self.dul.kill_dul()
            self.dul.join(_END_SECONDS)
            server, connection = cast(BoundedServer, self._server), cast(BoundedSocket, self.dul.socket)
            server.lobby.leave(_caller(self))
            server.ended(self, connection.finish())
            if self.requestor.primitive is None and connection.opening:
                server.turn_away(_caller(self)[0], why_nothing_was_asked(connection.opening))

    def close(self) -> None:
        """Abort it from another thread, or end the connection if it is no association yet; do not wait for that."""
        if self.is_established:
            self.abort(block=False)
        elif not self.is_aborted:
            cast(BoundedSocket, self.dul.socket).end()


class BoundedHandler(transport.RequestHandler):
    """Makes the association of one connection, on a bounded socket and without copying 170 contexts for each."""

    server: "BoundedServer"

    def _create_association(self) -> Association:
        assoc = BoundedAssociation(self.ae, MODE_ACCEPTOR)
        assoc._server = self.server
        assoc.name = f"AcceptorThread@{self.client_address[0]}:{self.client_address[1]}"  # found by this prefix
        assoc.dul.daemon = True
        connection = cast(socket.socket, self.request)
        assoc.tls_peer = _tls_peer(connection)
        assoc.set_socket(BoundedSocket(assoc, connection, self.server.limits, self.server.door))
        acceptor = assoc.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        assoc.requestor.address_info = self.remote
        for event, bound in self.server.bound_handlers:
            assoc.bind(event, *bound)
        assoc.bind(evt.EVT_ESTABLISHED, _on_established, [self.server.lobby])
        return assoc


class BoundedServer(transport.ThreadedAssociationServer):
    """Listens on a port that several processes may share; `limits` and `door` are set before it serves."""

    request_queue_size = 128
    daemon_threads = True
    limits: Limits
    lobby: Lobby
    door: Door
    turn_away: TurnAway
    ended: Ended

    def guard(self, limits: Limits, door: Door, turn_away: TurnAway, ended: Ended) -> None:
        """Set the bounds, where objects go, and who is told of those that never said who they are, and of ends."""
        self.limits, self.lobby, self.door = limits, Lobby(limits), door
        self.turn_away, self.ended = turn_away, ended

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
        try:
            connection, address = cast(socket.socket, self.socket).accept()
        except OSError as error:
            if error.errno in _FULL:  # it stays in the backlog, and would be tried again without end
                log.warning("no room for another connection", why=error.strerror)
                self.lobby.make_room()
                time.sleep(_FULL_PAUSE)
            raise
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_LINK_MILLISECONDS)
        for option, value in _KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        return connection, address

    def process_request(self, request: object, client_address: object) -> None:
        """Go on with a connection in a thread of its own."""
        caller, connection = cast(Caller, client_address), cast(socket.socket, request)
        self.lobby.enter(caller[:2], connection)
        try:
            super().process_request(connection, caller)
        except BaseException:
            self.lobby.leave(caller[:2])
            raise

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Shake hands where TLS is spoken, and begin the association."""
        caller, connection = cast(Caller, client_address), cast(socket.socket, request)
        try:
            if self.ssl_context is not None:
                connection = secured = wrapped(connection, self.ssl_context)
                self.lobby.exchange(caller[:2], secured)
                self._shake_hands(secured, caller[0])
            self.finish_request(connection, caller)
        except (OSError, RuntimeError) as error:  # ssl.SSLError is an OSError; no thread could be started
            log.warning("a connection failed before its association", address=caller[0], why=str(error))
            self.lobby.leave(caller[:2])
            self.shutdown_request(connection)

    def _shake_hands(self, connection: ssl.SSLSocket, address: str) -> None:
        try:
            shake_hands(connection, self.limits.request_seconds)
        except OSError as error:
            self.turn_away(address, why_not_secure(error))
            raise


def _tls_peer(connection: socket.socket) -> TlsPeer | None:
    if not isinstance(connection, ssl.SSLSocket):
        return None
    certificate = connection.getpeercert(binary_form=True) or b""
    return TlsPeer(certificate, hashlib.sha256(certificate).hexdigest() if certificate else "")


def _on_established(event: evt.Event, lobby: Lobby) -> None:
    lobby.leave(_caller(event.assoc))


def _caller(assoc: Association) -> Caller:
    found = cast(transport.AddressInformation, assoc.requestor.address_info)
    return found.address, found.port
