"""One instance of the cache, open: its bytes stay readable for as long as somebody holds it, evicted or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from config.sealing import Damaged, Sealed
from orthanc.bulk import Bulk, Piece
from orthanc.errors import NoSuchBulk, Unreadable
from orthanc.sidecar import unpack

CHUNK: Final = 1024 * 1024
LENGTH_BYTES: Final = 8
"""The note of a sealed instance: how long the file is, behind which its sidecar stands."""

Renew = Callable[["CachedInstance"], Sealed]
"""Fetch the bytes of a damaged instance anew; the errors are those of `ReadCache.get`."""


class CachedInstance:
    """A cached file with its index. Frames are counted from 1; pieces are (offset, length) in the file.

    `transfer_syntax` is that of the cached bytes: an implicit or big endian source was written again in explicit little
    endian when it was cached (`index.source_transfer_syntax` says what it was). Bytes that are not what was written are
    fetched from the archive again, wherever the reading is; `archive_id` says as what, "" where nobody knows.
    """

    __slots__ = ("_renew", "_sealed", "archive_id", "index", "metadata", "path", "sha256", "touched_at")

    def __init__(self, path: Path, sealed: Sealed, renew: Renew) -> None:
        """Take an open file. Raises Damaged, or Unreadable if its index is of another version."""
        self.path = path
        self.sha256 = path.name
        length = int.from_bytes(sealed.note[:LENGTH_BYTES], "little")
        self.index, self.metadata = unpack(sealed.read(length, sealed.size - length))
        self.touched_at = 0.0
        self.archive_id = ""
        self._sealed, self._renew = sealed, renew

    @property
    def transfer_syntax(self) -> str:
        """How the cached bytes are encoded."""
        return self.index.transfer_syntax

    @property
    def part10_length(self) -> int:
        """Bytes of the file."""
        return self.index.length

    @property
    def frame_count(self) -> int:
        """How many frames can be had one by one; 0 if there are none."""
        return self.index.frames.count

    def frame(self, number: int) -> tuple[Piece, ...]:
        """Say where a frame lies. Raises NoSuchFrame."""
        return self.index.frames.pieces(number)

    def bulk(self, path: str) -> Bulk:
        """Say where the large value at `path` ("00420011", "54000100/1/54001010") lies. Raises NoSuchBulk."""
        found = self.index.bulk.get(path)
        if found is None:
            raise NoSuchBulk("There is no large value at this path.")
        return found

    def fill(self, offset: int, out: memoryview, *, waits: bool = True) -> None:
        """Read the bytes from `offset` on into all of `out`. Without `waits`, BlockingIOError instead of any waiting.

        Raises Unreadable, and what fetching them anew raises.
        """
        try:
            self._sealed.fill(offset, out, waits=waits)
        except Damaged as error:
            if not waits:
                raise BlockingIOError from error
            self._fill_anew(offset, out)

    def read(self, pieces: Iterable[Piece]) -> list[bytes]:
        """Read pieces, each into memory of its own. Raises as `fill`."""
        return [self._piece(offset, length) for offset, length in pieces]

    def stream(self, pieces: Iterable[Piece] | None = None) -> Iterator[bytes]:
        """Yield pieces, or the whole file, in parts of at most a megabyte. Raises as `fill`."""
        for offset, length in ((0, self.index.length),) if pieces is None else pieces:
            for at in range(offset, offset + length, CHUNK):
                yield self._piece(at, min(CHUNK, offset + length - at))

    def opened(self) -> Sealed:
        """The file itself, for another instance of the same bytes."""
        return self._sealed

    def _piece(self, offset: int, length: int) -> bytes:
        out = bytearray(length)
        if length:
            self.fill(offset, memoryview(out))
        return bytes(out)

    def _fill_anew(self, offset: int, out: memoryview) -> None:
        self._sealed = self._renew(self)
        try:
            self._sealed.fill(offset, out)
        except Damaged as error:
            raise Unreadable("The cache cannot keep what it writes.") from error
