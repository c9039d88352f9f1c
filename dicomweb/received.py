"""A multipart/related body, read as it comes: every part goes to a file without a name, never into memory as a whole.

Used for STOW-RS and for the browser's upload. RFC 2387; PS3.18 section 8.6.1.2.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

CHUNK: Final = 256 * 1024
LONGEST_PREAMBLE: Final = 64 * 1024
LONGEST_BOUNDARY: Final = 200
"""RFC 2046 allows 70; Orthanc sends 73."""
LONGEST_HEADER: Final = 8 * 1024
MOST_HEADERS: Final = 16


class BadBody(Exception):  # noqa: N818 - it names what the body is
    """The body is not the multipart message that it is said to be, or ends before its end."""


class TooLarge(Exception):  # noqa: N818 - it names what the body is
    """The body, or one part of it, is larger than we take."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How much one request may bring, in bytes and in parts."""

    part_bytes: int = 4 * 1024**3
    total_bytes: int = 20 * 1024**3
    parts: int = 20_000


@dataclass(frozen=True, slots=True)
class Part:
    """One whole part: its media type in lower case without parameters ("" if it named none), and its content.

    `content` is open at its start, and closed and gone as soon as whoever takes the part returns.
    """

    media_type: str
    content: BinaryIO
    size: int


class Readable(Protocol):
    """A stream of the request body."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, nothing at the end."""


def read_parts(stream: Readable, boundary: str, limits: StoreLimits, spool: Path, take: Callable[[Part], None]) -> int:
    """Give every part to `take` as soon as it is complete; return how many there were.

    Raises BadBody or TooLarge; parts that were taken before stay taken. What `take` raises goes through.
    """
    if not 0 < len(boundary) <= LONGEST_BOUNDARY or not boundary.isascii():
        raise BadBody("The boundary is missing or too long.")
    receiver = _Receiver(limits, spool, take)
    try:
        parser = receiver.parser(boundary)
        begin = _after_preamble(stream, b"--" + boundary.encode("ascii"))
        receiver.count(len(begin))
        parser.write(begin)
        while not receiver.ended and (chunk := stream.read(CHUNK)):
            receiver.count(len(chunk))
            parser.write(chunk)
    except FormParserError as error:
        raise BadBody("The body is not divided into parts as its boundary says.") from error
    finally:
        receiver.close()
    if not receiver.ended:
        raise BadBody("The body ends before its last boundary.")
    return receiver.parts


def read_single(stream: Readable, length: int, limits: StoreLimits, spool: Path, take: Callable[[Part], None]) -> None:
    """Give a body of `length` bytes that is one instance, without any boundary, to `take`.

    Raises BadBody if nothing came or less than that, TooLarge.
    """
    if length > limits.part_bytes:
        raise TooLarge("An instance is larger than this server takes.")
    with tempfile.TemporaryFile(dir=spool) as file:
        size = 0
        while chunk := stream.read(min(CHUNK, length - size)):
            size += file.write(chunk)
        if size != length or not size:
            raise BadBody("The body ends before its end.")
        file.seek(0)
        take(Part("", file, size))


def _after_preamble(stream: Readable, delimiter: bytes) -> bytes:
    """Skip what may stand before the first delimiter (RFC 2046 section 5.1.1)."""
    begin = b""
    while len(begin) <= LONGEST_PREAMBLE:
        chunk = stream.read(CHUNK)
        begin += chunk
        if begin.startswith(delimiter):
            return begin
        if 0 <= (at := begin.find(b"\r\n" + delimiter)) <= LONGEST_PREAMBLE:
            return begin[at + 2 :]
        if not chunk:
            break
    raise BadBody("The body does not begin with its boundary.")


class _Receiver:
    """What the parser reports, made into parts."""

    def __init__(self, limits: StoreLimits, spool: Path, take: Callable[[Part], None]) -> None:
        self._limits = limits
        self._spool = spool
        self._take = take
        self._total = 0
        self._header = (bytearray(), bytearray())
        self._media_type = ""
        self._size = 0
        self._file: IO[bytes] | None = None
        self.parts = 0
        self.ended = False

    def parser(self, boundary: str) -> MultipartParser:
        """Build the parser that reports here."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
            max_header_count=MOST_HEADERS,
            max_header_size=LONGEST_HEADER,
        )

    def count(self, size: int) -> None:
        """Count what came of the whole body."""
        self._total += size
        if self._total > self._limits.total_bytes:
            raise TooLarge("The request is larger than this server takes at once.")

    def close(self) -> None:
        """Let go of an unfinished part."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self.parts += 1
        if self.parts > self._limits.parts:
            raise TooLarge("The request has more parts than this server takes at once.")
        self._media_type, self._size = "", 0
        self._file = tempfile.TemporaryFile(dir=self._spool)  # noqa: SIM115 - closed in _end or close

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_end(self) -> None:
        name, value = (bytes(part).decode("latin-1").strip().lower() for part in self._header)
        if name == "content-type":
            self._media_type = value.partition(";")[0].strip()
        self._header = (bytearray(), bytearray())

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._limits.part_bytes:
            raise TooLarge("An instance is larger than this server takes.")
        assert self._file is not None  # noqa: S101 - the parser begins a part before its data
        self._file.write(memoryview(data)[start:end])

    def _end(self) -> None:
        assert self._file is not None  # noqa: S101 - the parser begins a part before it ends it
        self._file.seek(0)
        try:
            self._take(Part(self._media_type, self._file, self._size))  # type: ignore[arg-type]
        finally:
            self.close()

    def _finish(self) -> None:
        self.ended = True
