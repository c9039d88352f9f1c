"""The bytes that came on a connection and were not used yet, in one buffer that is used again and again."""

import socket
import ssl
from typing import Final

from scp.pdv import PDU_HEAD

_FIRST_SIZE: Final = 16_384  # most connections never send more than a request; what brings objects grows once
_NOTHING_THERE: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Incoming:
    """Reads a socket that does not block, plain or TLS. A lost connection looks like one that was closed."""

    def __init__(self, connection: socket.socket, longest_pdu: int) -> None:
        self._connection, self._longest = connection, longest_pdu + PDU_HEAD.size
        self._view = memoryview(bytearray(min(_FIRST_SIZE, self._longest)))
        self._start = self._end = 0
        self.is_closed = False

    def __len__(self) -> int:
        return self._end - self._start

    def fill(self) -> bool:
        """Read what is there; False if nothing is."""
        self._make_room()
        try:
            read = self._connection.recv_into(self._view[self._end :])
        except _NOTHING_THERE:
            return False
        except OSError:
            read = 0
        self._end += read
        self.is_closed = not read
        return bool(read)

    def head(self) -> tuple[int, int] | None:
        """Type and length of the PDU that comes next, as soon as they are there."""
        if len(self) < PDU_HEAD.size:
            return None
        kind, length = PDU_HEAD.unpack_from(self._view, self._start)
        return kind, length

    def pdu(self, length: int) -> memoryview | None:
        """The body of the next PDU, once all of it is there; valid until the next call of `fill`."""
        start = self._start + PDU_HEAD.size
        if start + length > self._end:
            return None
        return self._view[start : start + length]

    def drop(self, size: int) -> None:
        """Let go of the next bytes."""
        self._start += size

    def take(self, size: int) -> bytearray:
        """Return a copy of the next bytes, at most so many, and let go of them."""
        end = min(self._start + size, self._end)
        taken = bytearray(self._view[self._start : end])
        self._start = end
        return taken

    def _make_room(self) -> None:
        size = len(self)
        if size == len(self._view):
            larger = memoryview(bytearray(self._longest))
            larger[:size] = self._view[self._start : self._end]
            self._view = larger
        elif self._start:
            self._view[:size] = self._view[self._start : self._end]
        self._start, self._end = 0, size
