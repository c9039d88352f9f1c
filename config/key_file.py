"""Where the keys of an installation are: its key file, or the environment."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from config.keys import KEY_BYTES, Key, KeyMissing, KeyRing, Keys, KeysUnusable
from config.private import write_private


def environment_ring(text: str) -> KeyRing:
    """A ring of keys in base64, separated by spaces; the first one is active. Raises KeysUnusable."""
    found = tuple(Key.parse(word) for word in text.split())
    if not found:
        raise KeysUnusable("OVERREAD_KEYS__RING is set but holds no key.")
    return KeyRing("OVERREAD_KEYS__RING", lambda: Keys(found[0], found), lambda: None)


def file_ring(file: Path) -> KeyRing:
    """The ring in a key file. Raises KeyMissing where there is none, KeysUnusable, else OSError."""
    try:
        return KeyRing(str(file), lambda: read_keys(file), lambda: _signature(file))
    except FileNotFoundError as error:
        raise KeyMissing(
            f"The key file {file} is missing. Put it back from a backup: without it the images in the inbox "
            "and in quarantine cannot be read."
        ) from error


def file_ring_made(file: Path) -> KeyRing:
    """The ring in a key file, which is made with one random key if there is none. Raises as `file_ring`."""
    if not file.exists():
        key = Key(secrets.token_bytes(KEY_BYTES))
        write_keys(file, Keys(key, (key,)), over=False)
    return file_ring(file)


def read_keys(file: Path) -> Keys:
    """Read a key file. Raises KeysUnusable, OSError."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        found = tuple(Key.parse(text) for text in told["keys"])
        return Keys(next(key for key in found if key.id == told["active"]), found)
    except (ValueError, TypeError, KeyError, StopIteration) as error:
        raise KeysUnusable(f"The key file {file} is damaged; restore it from a backup.") from error


def write_keys(file: Path, keys: Keys, *, over: bool = True) -> None:
    """Write a key file for this user alone, durably, whole or not at all; of two first writers one wins."""
    told = {"active": keys.active.id, "keys": [key.written() for key in keys.all]}
    write_private(file, told, over=over)


def with_new_key(keys: Keys) -> Keys:
    """The same keys and a fresh one, which is active."""
    fresh = Key(secrets.token_bytes(KEY_BYTES))
    return Keys(fresh, (*keys.all, fresh))


def without_key(keys: Keys, key_id: str) -> Keys:
    """The same keys without one. Raises KeysUnusable if it is active, KeyMissing if it is not there."""
    if keys.active.id == key_id:
        raise KeysUnusable(f"The key {key_id} is active: make another first (overread keys new), then rotate.")
    if key_id not in {key.id for key in keys.all}:
        raise KeyMissing(f"There is no key {key_id}.")
    return Keys(keys.active, tuple(key for key in keys.all if key.id != key_id))


def _signature(file: Path) -> object:
    status = os.stat(file)  # noqa: PTH116  # at every object: a Path is made once, its stat costs twice as much
    return status.st_ino, status.st_mtime_ns, status.st_size
