"""Sealed bytes for a row of the database: AES-256-GCM under a key of their own, which the ring wraps, as with files.

The wrapped key, a slot of docs/adr/0008, stands beside the content, so that a rotation of keys writes it alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag

from config.keys import KeyRing
from config.sealed_head import (
    LAST,
    SLOT_SIZE,
    Damaged,
    DataKey,
    Subject,
    cipher_of,
    intact_slots,
    make_slot,
    nonce_of,
    open_slots,
)

_CHUNK_POWER: Final = 24
"""The slot has a field for it; the content is one piece, whatever its size."""


@dataclass(frozen=True, slots=True)
class SealedBytes:
    """What lies in a row: `slot` is the wrapped key."""

    slot: bytes
    content: bytes


def seal(content: bytes, subject: Subject, ring: KeyRing) -> SealedBytes:
    """Seal with the key that is active now. Raises KeysUnusable, and OSError when the keys are gone."""
    data_key = DataKey.fresh(_CHUNK_POWER)
    sealed = cipher_of(data_key).encrypt(nonce_of(data_key.prefix, 0, LAST), content, subject.bound())
    return SealedBytes(make_slot(data_key, ring.active(), subject), sealed)


def unseal(sealed: SealedBytes, subject: Subject, ring: KeyRing) -> bytes:
    """Return the content. Raises Damaged if it is not what was sealed as this subject, and KeyMissing."""
    data_key = _open(sealed.slot, subject, ring)
    try:
        return cipher_of(data_key).decrypt(nonce_of(data_key.prefix, 0, LAST), sealed.content, subject.bound())
    except InvalidTag as error:
        raise Damaged(f"{subject.id} differs from what was written") from error


def key_needed(slot: bytes) -> str:
    """Return the id of the key that opens it; "" for what is no slot."""
    found, _ = intact_slots(slot)
    return found.key_id if found else ""


def wrapped_anew(slot: bytes, subject: Subject, ring: KeyRing) -> bytes:
    """Return the slot for the active key, the same one if that opens it already. Raises Damaged, KeyMissing."""
    active = ring.active()
    return slot if key_needed(slot) == active.id else make_slot(_open(slot, subject, ring), active, subject)


def _open(slot: bytes, subject: Subject, ring: KeyRing) -> DataKey:
    return open_slots(slot[:SLOT_SIZE], ring, subject)
