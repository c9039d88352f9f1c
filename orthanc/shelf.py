"""The cache's folder: names, whole writes, last use, and the bound. Nothing private to a process is kept here."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from orthanc.bound import Bound
from orthanc.elements import Buffer

TOUCH_SECONDS: Final = 300.0
"""How exactly last use is kept: a file in use costs one system call in this time."""


class Shelf:
    """Files that are there whole or not at all; a reader sees the old file or the new one."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        for name in ("objects", "series", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._bound = Bound(folder, max_bytes)

    def object(self, sha256: str) -> Path:
        """Return where an instance's file is; its sidecar is beside it."""
        return self._folder / "objects" / sha256[:2] / f"{sha256}.dcm"

    def series(self, name: str) -> Path:
        """Return where the baked metadata of this name are."""
        return self._folder / "series" / name[:2] / f"{name}.json.gz"

    def fresh(self) -> Path:
        """Return a name for a file that is being written; the folders are made again if somebody removed them."""
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._folder / "tmp" / secrets.token_hex(12)

    def write(self, file: Path, content: Buffer) -> None:
        """Write a file. OSError if the disk says no; nothing is left behind then."""
        fresh = self.fresh()
        try:
            with fresh.open("xb") as out:
                out.write(content)
            self.move(fresh, file)
        finally:
            fresh.unlink(missing_ok=True)

    def move(self, fresh: Path, file: Path) -> None:
        """Put a written file in its place."""
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.replace(file)

    def wrote(self, size: int) -> None:
        """Count what was written against the bound."""
        self._bound.wrote(size)

    def write_checked(self, file: Path, content: bytes) -> None:
        """Write a file that carries its own checksum."""
        self.write(file, b"%08x%b" % (crc32(content), content))
        self.wrote(len(content))

    def read_checked(self, file: Path) -> bytes | None:
        """Read such a file; None if it is absent or damaged."""
        try:
            kept = file.read_bytes()
        except FileNotFoundError:
            return None
        content = kept[8:]
        if kept[:8] != b"%08x" % crc32(content):
            return None
        self.used(file)
        return content

    def used(self, file: Path) -> None:
        """Note that a file was used just now, if that was not noted lately."""
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < time.time() - TOUCH_SECONDS:
                os.utime(file)
