"""The keys that wrap the keys of sealed files: several may open, one of them, the active one, seals.

A key's id is derived from the key, so that a wrong key never passes for the right one.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.errors import Explained

KEY_BYTES = 32
ID_BYTES = 8


class KeyMissing(Explained):
    """No key of the ring opens this; the message says which one is wanted and where it belongs."""


class KeysUnusable(Explained):
    """The keys that were given cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """One 256-bit key; nothing of it is ever printed."""

    secret: bytes = field(repr=False)
    cipher: AESGCM = field(init=False, repr=False, compare=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise KeysUnusable(f"A key has {KEY_BYTES} bytes (base64 of them: 44 characters), not {len(self.secret)}.")
        object.__setattr__(self, "cipher", AESGCM(self.secret))
        object.__setattr__(self, "id", hashlib.sha256(b"overread key id\0" + self.secret).hexdigest()[: 2 * ID_BYTES])

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read a key written in base64. Raises KeysUnusable."""
        try:
            return cls(base64.b64decode(text, validate=True))
        except ValueError as error:
            raise KeysUnusable("A key is not written in base64. Make one with: openssl rand -base64 32") from error

    def written(self) -> str:
        """The key in base64, for the key file alone."""
        return base64.b64encode(self.secret).decode()


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys at one moment, by id; `active` seals."""

    active: Key
    all: tuple[Key, ...]


class KeyRing:
    """The keys as they are now: read again when their place looks different. Safe from any thread."""

    def __init__(self, place: str, read: Callable[[], Keys], look: Callable[[], object]) -> None:
        """`place` is named to people; `look` returns something cheap that differs when `read` would."""
        self.place = place
        self._read, self._look = read, look
        self._lock = threading.Lock()
        self._seen = look()
        self._keys = read()

    def keys(self) -> Keys:
        """All keys. Raises OSError when they are gone: nothing must be sealed then. Raises KeysUnusable."""
        seen = self._look()
        if seen != self._seen:
            with self._lock:
                self._keys, self._seen = self._read(), seen
        return self._keys

    def active(self) -> Key:
        """The key that seals now. Raises as `keys`."""
        return self.keys().active

    def find(self, key_id: str) -> Key:
        """The key with this id. Raises KeyMissing, and as `keys`."""
        for key in self.keys().all:
            if key.id == key_id:
                return key
        raise KeyMissing(
            f"The key {key_id}, which sealed files here need, is not in {self.place}. "
            "Put it back there (see docs/how-to/keys.md); without it they cannot be read."
        )
