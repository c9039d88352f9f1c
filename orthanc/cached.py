"""One instance of the cache, open: its bytes stay readable for as long as somebody holds it, evicted or not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

from orthanc.bulk import Bulk, Piece
from orthanc.errors import NoSuchBulk, Unreadable
from orthanc.sidecar import Index

CHUNK: Final = 1024 * 1024


class CachedInstance:
    """A cached file with its index. Frames are counted from 1; pieces are (offset, length) in the file.

    `transfer_syntax` is that of the cached bytes: an implicit or big endian source was written again in explicit little
    endian when it was cached (`index.source_transfer_syntax` says what it was).
    """

    __slots__ = ("_file", "index", "metadata", "path", "touched_at")

    def __init__(self, path: Path, index: Index, metadata: bytes) -> None:
        """Open the file. Raises FileNotFoundError, or Unreadable if it is not as long as its index says."""
        self.path = path
        self.index = index
        self.metadata = metadata
        self.touched_at = 0.0
        self._file = _OpenFile(path)
        if os.fstat(self._file.descriptor).st_size != index.length:
            raise Unreadable("A file of the cache is damaged.")

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

    def is_whole(self) -> bool:
        """Read the file: is it what was written? A power cut leaves zeros in files of the right length."""
        check = 0
        for piece in self.stream():
            check = crc32(piece, check)
        return check == self.index.check

    @property
    def written_at(self) -> float:
        """When its bytes were written, in seconds since 1970."""
        return os.fstat(self._file.descriptor).st_mtime

    def read(self, pieces: Iterable[Piece]) -> list[bytes]:
        """Read pieces, each with one call; nothing is joined."""
        return [os.pread(self._file.descriptor, length, offset) for offset, length in pieces]

    def stream(self, pieces: Iterable[Piece] | None = None) -> Iterator[bytes]:
        """Yield pieces, or the whole file, in parts of at most a megabyte."""
        for offset, length in ((0, self.index.length),) if pieces is None else pieces:
            for at in range(offset, offset + length, CHUNK):
                yield os.pread(self._file.descriptor, min(CHUNK, offset + length - at), at)


class _OpenFile:
    """A descriptor that closes when nobody holds it any more."""

    __slots__ = ("descriptor",)

    def __init__(self, path: Path) -> None:
        self.descriptor = -1
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
