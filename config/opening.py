"""A sealed file, open for reading: any part of it through no more chunks than hold it (format: docs/adr/0008)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.keys import KeyRing
from config.sealed_head import (
    CONTENT_SIZE,
    HEAD_SIZE,
    LAST,
    MIDDLE,
    NOTE,
    NOTE_AT,
    NOTE_START,
    TAG_BYTES,
    Damaged,
    Subject,
    cipher_of,
    nonce_of,
    open_slots,
)

_SPARE: list[memoryview] = []
"""Memory for chunks on their way, as much as was in use at once: fresh memory costs more than opening."""


def _room(size: int) -> memoryview:
    try:
        room = _SPARE.pop()
    except IndexError:  # nobody has been here, or another thread was first
        return memoryview(bytearray(size))
    return room if len(room) >= size else memoryview(bytearray(size))


class Sealed:
    """One sealed file: `note` and `size` of the content are proven, each chunk when it is read.

    It stays open until `close`, the end of its block, or until nobody holds it any more. Safe for threads.
    """

    _descriptor = -1
    size: int

    def __init__(self, path: Path, ring: KeyRing, subject: Subject) -> None:
        """Open it. Raises Damaged, KeyMissing, OSError."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._open(ring, subject)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Sealed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def chunk(self, number: int) -> bytes:
        """One chunk of the content, of `chunk_size` bytes but for the last one. Raises Damaged, OSError."""
        step = self.chunk_size + TAG_BYTES
        return self._plain(number, os.pread(self._descriptor, step, HEAD_SIZE + number * step))

    def pieces(self) -> Iterator[bytes]:
        """The whole content, chunk by chunk. Raises Damaged, OSError at the chunk that is not what was written."""
        return map(self.chunk, range(self.chunks))

    def read(self, start: int, size: int) -> bytes:
        """The bytes from `start` on, at most `size`, through no more chunks than hold them. Raises as `chunk`."""
        out = bytearray(max(0, min(size, self.size - start)))
        if out:
            self.fill(start, memoryview(out))
        return bytes(out)

    def fill(self, start: int, out: memoryview, *, waits: bool = True) -> None:
        """Write the content from `start` on into all of `out`; nothing is joined or copied but the edges of chunks.

        Without `waits`, BlockingIOError instead of waiting for the disk. Raises ValueError behind the end of the
        content, and as `chunk`; what `out` holds is then undefined.
        """
        if start < 0 or start + len(out) > self.size:
            raise ValueError("The content ends before that.")
        room, flags = _room(2 * self.chunk_size + TAG_BYTES), 0 if waits else os.RWF_NOWAIT
        number, skipped = divmod(start, self.chunk_size)
        done = 0
        while done < len(out):
            done += self._fill_from(number, skipped, out[done:], room, flags)
            number, skipped = number + 1, 0
        _SPARE.append(room)

    def _fill_from(self, number: int, skipped: int, out: memoryview, room: memoryview, flags: int) -> int:
        """Fill `out` as far as a chunk goes, but for what is skipped; return how far that is.

        This is most of what a frame costs in Python, and done for each of its chunks: hence in one piece.
        """
        length = min(self.chunk_size, self.size - number * self.chunk_size)
        taken = min(length - skipped, len(out))
        raw = room[: length + TAG_BYTES]
        got = os.preadv(self._descriptor, (raw,), HEAD_SIZE + number * (self.chunk_size + TAG_BYTES), flags)
        if flags and got < len(raw):
            raise BlockingIOError  # the rest of it is on the disk alone
        plain = out[:taken] if taken == length else room[len(raw) : len(raw) + length]
        try:
            self._cipher.decrypt_into(self._nonce(number), raw[:got], self._bound_to(number), plain)
        except (InvalidTag, ValueError) as error:
            raise Damaged(self._differs) from error
        if taken < length:
            out[:taken] = plain[skipped : skipped + taken]
        return taken

    def _plain(self, number: int, raw: bytes | memoryview) -> bytes:
        return self._decrypt(self._nonce(number), raw, self._bound_to(number))

    def _nonce(self, number: int) -> bytes:
        return nonce_of(self._data_key.prefix, number, LAST if number == self.chunks - 1 else MIDDLE)

    def _bound_to(self, number: int) -> bytes:
        return self._bound + number.to_bytes(4, "little")

    def _open(self, ring: KeyRing, subject: Subject) -> None:
        head = os.pread(self._descriptor, HEAD_SIZE, 0)
        if len(head) != HEAD_SIZE:
            raise Damaged(f"{subject.id} is cut short")
        self._bound, self._differs = subject.bound(), f"{subject.id} differs from what was written"
        self._data_key = open_slots(head, ring, subject)
        self._cipher: AESGCM = cipher_of(self._data_key)
        (length,) = NOTE_START.unpack_from(head, NOTE_AT)
        start = NOTE_AT + NOTE_START.size
        told = self._decrypt(nonce_of(self._data_key.prefix, 0, NOTE), head[start : start + length], self._bound)
        (self.size,) = CONTENT_SIZE.unpack_from(told)
        self.note = told[CONTENT_SIZE.size :]
        self.chunk_size = 1 << self._data_key.chunk_power
        self.chunks = max(1, -(-self.size // self.chunk_size))
        if os.fstat(self._descriptor).st_size != HEAD_SIZE + self.size + self.chunks * TAG_BYTES:
            raise Damaged(f"{subject.id} is cut short or overlong")

    def _decrypt(self, nonce: bytes, raw: bytes | memoryview, bound: bytes) -> bytes:
        try:
            return self._cipher.decrypt(nonce, raw, bound)
        except (InvalidTag, ValueError) as error:
            raise Damaged(self._differs) from error
