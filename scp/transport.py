"""The connection of an association that we open: it sends at once, and is closed at its end."""

import select
import socket
import ssl

from pynetdicom import transport


class ClosingSocket(transport.AssociationSocket):
    """A connection that sends at once and is closed at its end, also where it was never open.

    Nagle's algorithm costs 40 ms for each message; pynetdicom leaves a descriptor behind for each failed connection,
    and asks with select(), which fails for descriptors from 1,024 on: the read cache alone holds more open.
    """

    @property
    def ready(self) -> bool:
        """Whether something can be read, or the connection has ended; Evt17 where there is none any more."""
        if self.socket is None or not self._is_connected:
            return False
        poll = select.poll()
        try:
            poll.register(self.socket, select.POLLIN)
        except ValueError:  # closed meanwhile
            self.event_queue.put("Evt17")
            return False
        return bool(poll.poll(0)) or (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0)

    def _create_socket(self, address: transport.AddressInformation) -> socket.socket:
        connection = super()._create_socket(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _shutdown_socket(self) -> None:
        connection = self.socket
        super()._shutdown_socket()
        if connection is not None:
            connection.close()

    def _context(self, context_id: int) -> tuple[str, str] | None:
        """The abstract syntax and the transfer syntax that were agreed upon for this presentation context."""
        context = self.assoc._accepted_cx.get(context_id)
        if context is None or not context.transfer_syntax:
            return None
        return str(context.abstract_syntax), str(context.transfer_syntax[0])
