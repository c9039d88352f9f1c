"""Sealed files: AES-256-GCM in chunks, each file under a key of its own; written as it comes, read by the chunk.

    slot | slot | note, sealed | chunk 0, sealed | chunk 1, sealed | ...

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", 2015): a chunk's nonce holds its number and whether it is the last one, so that chunks that are
changed, swapped, cut off or taken from another file are Damaged. docs/adr/0008 has the whole format.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from config.keys import KeyRing
from config.opening import Sealed
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
    DataKey,
    Subject,
    cipher_of,
    make_slot,
    nonce_of,
)
from config.writeback import begin_writeback

__all__ = ["CHUNK", "Buffer", "Damaged", "Room", "Sealed", "Sealer", "Subject", "write_all"]

Buffer = bytes | bytearray | memoryview
CHUNK_POWER = 17
CHUNK = 1 << CHUNK_POWER  # 9.6 GB/s sealed, of 10.3 at 1 MiB and 6.0 at 16 KiB (one core); a frame costs few of them
_SEALED_CHUNK = CHUNK + TAG_BYTES
MOST_NOTE = HEAD_SIZE - NOTE_AT - NOTE_START.size - CONTENT_SIZE.size - TAG_BYTES


@dataclass(frozen=True, slots=True)
class Room:
    """Memory for one Sealer at a time: fresh memory costs more than sealing, so let another one have it afterwards."""

    plain: bytearray = field(default_factory=lambda: bytearray(CHUNK))
    sealed: bytearray = field(default_factory=lambda: bytearray(_SEALED_CHUNK))


class Sealer:
    """Seals one object into an open, empty file as it comes. What is written before `finish` opens for nobody."""

    def __init__(self, descriptor: int, subject: Subject, room: Room) -> None:
        self._descriptor, self._subject, self._room = descriptor, subject, room
        self._data_key = DataKey.fresh(CHUNK_POWER)
        self._cipher = cipher_of(self._data_key)
        self._bound = subject.bound()
        self._plain, self._sealed = memoryview(room.plain), memoryview(room.sealed)
        self._filled = self._number = 0
        self._at = HEAD_SIZE
        self.size = 0

    def write(self, piece: Buffer) -> None:
        """Take the next bytes of the content. Raises OSError."""
        data = memoryview(piece).cast("B")
        self.size += len(data)
        while data:
            if self._filled == CHUNK:
                self._write(self._plain)
                self._filled = 0
            if not self._filled and len(data) > CHUNK:
                self._write(data[:CHUNK])
                data = data[CHUNK:]
                continue
            taken = min(CHUNK - self._filled, len(data))
            self._plain[self._filled : self._filled + taken] = data[:taken]
            self._filled += taken
            data = data[taken:]

    def finish(self, note: bytes, ring: KeyRing) -> None:
        """Write what is missing: the last chunk and the head, under the key that is active now. Not durable yet.

        `note` (at most MOST_NOTE bytes) is read without the content. Raises OSError, KeysUnusable.
        """
        last, head = self._seal(self._plain[: self._filled], LAST), self._head(note, ring)
        if self._at == HEAD_SIZE:
            write_all(self._descriptor, [head, last], 0)
        else:
            write_all(self._descriptor, [last], self._at)
            write_all(self._descriptor, [head], 0)

    def _write(self, content: memoryview) -> None:
        """Write a chunk that is not the last. The disk begins with it, while its successors still come."""
        chunk = self._seal(content, MIDDLE)
        write_all(self._descriptor, [chunk], self._at)
        begin_writeback(self._descriptor, self._at, self._at + len(chunk))
        self._at += len(chunk)

    def _seal(self, content: memoryview, place: int) -> memoryview:
        """A chunk, sealed; valid until the next one."""
        sealed = self._sealed[: len(content) + TAG_BYTES]
        nonce = nonce_of(self._data_key.prefix, self._number, place)
        self._cipher.encrypt_into(nonce, content, self._bound + self._number.to_bytes(4, "little"), sealed)
        self._number += 1
        return sealed

    def _head(self, note: bytes, ring: KeyRing) -> bytes:
        if len(note) > MOST_NOTE:
            raise ValueError(f"A note has at most {MOST_NOTE} bytes.")
        nonce = nonce_of(self._data_key.prefix, 0, NOTE)
        sealed = self._cipher.encrypt(nonce, CONTENT_SIZE.pack(self.size) + note, self._bound)
        slot = make_slot(self._data_key, ring.active(), self._subject)
        return (slot + slot + NOTE_START.pack(len(sealed)) + sealed).ljust(HEAD_SIZE, b"\0")


def write_all(descriptor: int, pieces: list[Buffer], at: int) -> None:
    """Write pieces one behind the other, from a place of the file on, however often the kernel takes only a part."""
    left = [memoryview(piece).cast("B") for piece in pieces]
    while left:
        written = os.pwritev(descriptor, left, at)
        at += written
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left:
            left[0] = left[0][written:]
