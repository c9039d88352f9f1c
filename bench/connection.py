"""One kept-alive HTTP/1.1 connection (RFC 9112) that costs little, so that a server is measured and not its client.

A request is one `send` of bytes that were made before. An answer is read into one piece of memory that is used again:
its head is parsed, its body is what Content-Length or chunks say it is.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

ROOM: Final = 1 << 20
RECEIVE_BUFFER: Final = 4 << 20
"""So that the kernel takes a whole answer and wakes this process once (as far as `rmem_max` lets it)."""

_END_OF_HEAD: Final = b"\r\n\r\n"


class Broken(ConnectionError):
    """The server closed the connection, or what it sent is no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, bytes of the body, and how the body begins (of a chunked one: how its first chunk does)."""

    status: int
    size: int
    beginning: bytes


def request(path: str, host: str, headers: dict[str, str]) -> bytes:
    """A GET, as bytes."""
    lines = (f"GET {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items()))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Connection:
    """A connection to a port of this machine."""

    def __init__(self, port: int, timeout: float = 120) -> None:
        """Connect. Raises OSError."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(timeout)
        self._socket.connect(("127.0.0.1", port))
        self._memory = bytearray(ROOM)
        self._room = memoryview(self._memory)
        self._at = self._end = 0

    def close(self) -> None:
        """Let it go."""
        self._socket.close()

    def ask(self, asked: bytes) -> Answer:
        """Send a request and read its whole answer. Raises Broken, OSError."""
        self._socket.sendall(asked)
        status, headers = self._head()
        beginning = bytes(self._room[self._at : min(self._end, self._at + 200)])
        if b"chunked" in headers.get(b"transfer-encoding", b""):
            return Answer(status, self._chunks(), beginning)
        if b"content-length" not in headers:
            raise Broken("An answer does not say how long it is.")
        size = int(headers[b"content-length"])
        self._skip(size)
        return Answer(status, size, beginning)

    def _head(self) -> tuple[int, dict[bytes, bytes]]:
        """Status and headers, by their names in lower case."""
        first, *lines = self._until(_END_OF_HEAD).split(b"\r\n")
        named = (line.partition(b":") for line in lines)
        return int(first.split(b" ", 2)[1]), {name.lower(): value.strip() for name, _, value in named}

    def _chunks(self) -> int:
        """RFC 9112 section 7.1, without trailers; the bytes of all chunks."""
        whole = 0
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            whole += size
            self._skip(size + 2)
        self._skip(2)
        return whole

    def _until(self, mark: bytes) -> bytes:
        """What comes before a mark, which is taken too. What is there of the rest stays."""
        while (found := self._memory.find(mark, self._at, self._end)) < 0:
            self._more()
        taken = bytes(self._room[self._at : found])
        self._at = found + len(mark)
        return taken

    def _more(self) -> None:
        """Receive what is there, behind what waits; that begins the memory."""
        waiting = self._end - self._at
        self._room[:waiting] = bytes(self._room[self._at : self._end])
        self._at, self._end = 0, waiting + self._received(self._room[waiting:], 0)

    def _skip(self, size: int) -> None:
        """Read so many bytes into memory, the later over the earlier ones where it is too small."""
        waiting = min(size, self._end - self._at)
        self._at += waiting
        size -= waiting
        while size:
            size -= self._received(self._room[: min(size, ROOM)], socket.MSG_WAITALL)
            self._at = self._end = 0

    def _received(self, room: memoryview, flags: int) -> int:
        got = self._socket.recv_into(room, 0, flags)
        if not got:
            raise Broken("The server closed the connection.")
        return got
