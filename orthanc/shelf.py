"""The cache's folder: names, whole writes, last use, and the bound. Nothing lies in it unsealed (docs/adr/0008)."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from config.keys import KeyMissing, KeyRing, KeysUnusable
from config.sealing import Buffer, Damaged, Room, Sealed, Sealer, Subject
from orthanc.bound import Bound

INSTANCES: Final = "instances"
BAKED: Final = "baked"
PICTURES: Final = "pictures"
PURPOSES: Final = {INSTANCES: "cached instance", BAKED: "baked metadata", PICTURES: "cached picture"}
"""Folders, and what their files are sealed as; a file is named by its id."""

_IN_CLEAR: Final = ("objects", "series")  # until version 0.2 the cache was not sealed

TOUCH_SECONDS: Final = 300.0
"""How exactly last use is kept: a file in use costs one system call in this time."""


class Shelf:
    """Sealed files that are there whole or not at all; a reader sees the old file or the new one. Safe for threads."""

    def __init__(self, folder: Path, max_bytes: int, ring: KeyRing) -> None:
        self._folder, self._ring = folder, ring
        for name in (*PURPOSES, "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in _IN_CLEAR:
            shutil.rmtree(folder / name, ignore_errors=True)
        self._bound = Bound(folder, max_bytes, tuple(PURPOSES))
        self._rooms: list[Room] = []

    def path(self, kind: str, name: str) -> Path:
        """Return where a file of this kind is."""
        return self._folder / kind / name[:2] / name

    def write(self, kind: str, name: str, pieces: Iterable[Buffer], note: bytes = b"") -> Path:
        """Seal and write a file; count it against the bound. OSError if disk or keys say no; nothing is left then."""
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)  # somebody may have emptied the cache
        fresh, file = self._folder / "tmp" / secrets.token_hex(12), self.path(kind, name)
        try:
            size = self._seal(fresh, subject_of(kind, name), pieces, note)
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
        self._bound.wrote(size)
        return file

    def open(self, kind: str, name: str) -> Sealed | None:
        """Open a file; None if it is absent, damaged, or sealed with a key that is no longer here."""
        try:
            return Sealed(self.path(kind, name), self._ring, subject_of(kind, name))
        except (FileNotFoundError, Damaged, KeyMissing, KeysUnusable):
            return None

    def read(self, kind: str, name: str) -> bytes | None:
        """Read the whole content of a small file; None as for `open`."""
        sealed = self.open(kind, name)
        try:
            content = sealed.read(0, sealed.size) if sealed else None
        except Damaged:
            return None
        self.used(self.path(kind, name))
        return content

    def remove(self, kind: str, name: str) -> None:
        """Remove a file; whoever holds it open goes on reading."""
        self.path(kind, name).unlink(missing_ok=True)

    def used(self, file: Path) -> bool:
        """Note that a file was used just now, if that was not noted lately; whether it is there."""
        try:
            if file.stat().st_mtime < time.time() - TOUCH_SECONDS:
                os.utime(file)
        except OSError:
            return False
        return True

    def _seal(self, fresh: Path, subject: Subject, pieces: Iterable[Buffer], note: bytes) -> int:
        room = self._rooms.pop() if self._rooms else Room()
        try:
            with fresh.open("xb", buffering=0) as out:
                sealer = Sealer(out.fileno(), subject, room)
                for piece in pieces:
                    sealer.write(piece)
                try:
                    sealer.finish(note, self._ring)
                except KeysUnusable as error:
                    raise OSError(f"Nothing can be sealed: {error}") from error
                return sealer.size
        finally:
            self._rooms.append(room)


def subject_of(kind: str, name: str) -> Subject:
    """What a file of this folder and name is sealed as."""
    return Subject(PURPOSES[kind], name)


def sealed_files(folder: Path) -> Iterable[tuple[Path, Subject]]:
    """Every sealed file of a cache, for those who look after the keys."""
    for kind in PURPOSES:
        for place, _, names in os.walk(folder / kind):
            for name in names:
                yield Path(place, name), subject_of(kind, name)
