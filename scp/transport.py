"""The connection of an association that we open: it sends at once, and is closed at its end."""

import socket

from pynetdicom import transport


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
