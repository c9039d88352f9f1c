"""The keys of an installation, proven at the start: a wrong or missing key is said at once, not at the first image."""

from __future__ import annotations

import os

from config.key_file import environment_ring, file_ring, file_ring_made
from config.keys import KeyMissing, KeyRing, KeysUnusable
from config.rewrapping import rewrap
from config.sealing import Damaged, Room, Sealed, Sealer, Subject
from config.settings import Settings
from gateway.installation import Folders
from gateway.sealed_files import needed_at_start
from scp.durable import Unfinished

CHECK = Subject("key check", "keys.check")


def unlock(settings: Settings) -> KeyRing:
    """The key ring, which opens the check and knows every key that received files here name.

    At the first start the keys and the check are made. Raises KeyMissing, KeysUnusable, in one plain sentence.
    """
    folders = Folders(settings.data)
    ring = _ring(settings, known=folders.key_check.exists())
    if not folders.key_check.exists():
        _make_check(folders, ring)
    try:
        with Sealed(folders.key_check, ring, CHECK):
            pass
        rewrap(folders.key_check, CHECK, ring)
    except Damaged as error:
        raise KeysUnusable(
            f"{folders.key_check} is damaged; if the keys are the right ones, remove it and start again."
        ) from error
    for key_id in needed_at_start(folders):
        ring.find(key_id)
    return ring


def _ring(settings: Settings, *, known: bool) -> KeyRing:
    given = settings.keys.ring.get_secret_value()
    if given:
        return environment_ring(given)
    try:
        return file_ring(settings.key_file) if known else file_ring_made(settings.key_file)
    except KeyMissing as error:
        raise KeyMissing(f"{error} If its keys come from the environment, set OVERREAD_KEYS__RING.") from error
    except OSError as error:
        raise KeysUnusable(f"The key file {settings.key_file} cannot be used ({error.strerror}).") from error


def _make_check(folders: Folders, ring: KeyRing) -> None:
    made = Unfinished(folders.data / f"keys.check.{os.getpid()}.tmp")
    try:
        Sealer(made.descriptor, CHECK, Room()).finish(b"", ring)
        made.finish(folders.key_check)
    finally:
        made.drop()
