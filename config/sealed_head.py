"""The head of a sealed file: twice the same slot, either of which opens the file; docs/adr/0008 has the table.

A slot is replaced on its own, so that whatever moment a rotation of keys is killed at, the other one is whole.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.keys import ID_BYTES, KEY_BYTES, Key, KeyMissing, KeyRing

MAGIC = b"OVRSEAL\1"
SLOT_SIZE = 512  # a sector: written whole or not at all by most disks, and proven by its checksum on all
SLOTS_AT = (0, SLOT_SIZE)
NOTE_AT = 2 * SLOT_SIZE
HEAD_SIZE = 4096
PREFIX_BYTES = 7
NONCE_BYTES = 12
TAG_BYTES = 16

MIDDLE, LAST, NOTE = 0, 1, 2  # the last byte of a nonce
NOTE_START = struct.Struct("<H")
CONTENT_SIZE = struct.Struct("<Q")

_START = struct.Struct(f"<8sBx{ID_BYTES}s{PREFIX_BYTES}s")
_WRAPPED = struct.Struct(f"<{NONCE_BYTES}s{KEY_BYTES + TAG_BYTES}s")
_CHECK = struct.Struct("<L")
_SMALLEST_CHUNK, _LARGEST_CHUNK = 12, 24  # powers of two


class Damaged(Exception):
    """A sealed file is not what was written under its name: set it aside and tell a person."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a sealed file is: `purpose` tells kinds apart, `id` the files of one kind. Sealed in, stored nowhere."""

    purpose: str
    id: str

    def bound(self) -> bytes:
        """The bytes that every part of the file is bound to."""
        return f"{self.purpose}\0{self.id}\0".encode()


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one file; `chunk_power` is the size of its chunks as a power of two."""

    secret: bytes
    prefix: bytes
    chunk_power: int

    @classmethod
    def fresh(cls, chunk_power: int) -> DataKey:
        """A random one."""
        return cls(os.urandom(KEY_BYTES), os.urandom(PREFIX_BYTES), chunk_power)


@dataclass(frozen=True, slots=True)
class Slot:
    """One wrapped data key, as it lies in the file."""

    key_id: str
    raw: bytes

    def open(self, key: Key, subject: Subject) -> DataKey:
        """Unwrap the data key. Raises Damaged if it belongs to another file, or was changed."""
        _, power, _, prefix = _START.unpack_from(self.raw)
        nonce, wrapped = _WRAPPED.unpack_from(self.raw, _START.size)
        try:
            secret = key.cipher.decrypt(nonce, wrapped, self.raw[: _START.size] + subject.bound())
        except InvalidTag as error:
            raise Damaged(f"the head of {subject.id} is damaged, or the file stands under another's name") from error
        return DataKey(secret, prefix, power)


def make_slot(data_key: DataKey, key: Key, subject: Subject) -> bytes:
    """Wrap a data key: SLOT_SIZE bytes."""
    start = _START.pack(MAGIC, data_key.chunk_power, bytes.fromhex(key.id), data_key.prefix)
    nonce = os.urandom(NONCE_BYTES)
    wrapped = key.cipher.encrypt(nonce, data_key.secret, start + subject.bound())
    body = (start + _WRAPPED.pack(nonce, wrapped)).ljust(SLOT_SIZE - _CHECK.size, b"\0")
    return body + _CHECK.pack(zlib.crc32(body))


def intact_slots(head: bytes) -> tuple[Slot | None, Slot | None]:
    """Both slots; None for one that is torn or was never written."""
    first, second = (_parse(head[at : at + SLOT_SIZE]) for at in SLOTS_AT)
    return first, second


def open_slots(head: bytes, ring: KeyRing, subject: Subject) -> DataKey:
    """The data key, from whichever slot opens. Raises Damaged, KeyMissing."""
    trouble: Damaged | KeyMissing = Damaged(f"the head of {subject.id} is damaged")
    for slot in intact_slots(head):
        if slot is not None:
            try:
                return slot.open(ring.find(slot.key_id), subject)
            except FileNotFoundError as error:
                raise KeyMissing(f"{ring.place} is gone. Put it back (see docs/how-to/keys.md).") from error
            except (Damaged, KeyMissing) as error:
                trouble = error
    raise trouble


def cipher_of(data_key: DataKey) -> AESGCM:
    """The cipher of a file's chunks and note."""
    return AESGCM(data_key.secret)


def nonce_of(prefix: bytes, number: int, place: int) -> bytes:
    """The nonce of a chunk, or of the note."""
    return prefix + number.to_bytes(4, "big") + bytes((place,))


def _parse(raw: bytes) -> Slot | None:
    if len(raw) != SLOT_SIZE or not raw.startswith(MAGIC):
        return None
    body, (check,) = raw[: -_CHECK.size], _CHECK.unpack(raw[-_CHECK.size :])
    _, power, key_id, _ = _START.unpack_from(body)
    if zlib.crc32(body) != check or not _SMALLEST_CHUNK <= power <= _LARGEST_CHUNK:
        return None
    return Slot(key_id.hex(), raw)
