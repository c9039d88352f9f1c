"""Writing files that are still there after the power fails.

A failed write or fsync means that the file is lost: it is removed and never fsynced again, because Linux may have
dropped the dirty pages and would report success the second time (PostgreSQL's "fsyncgate").
"""

import contextlib
import fcntl
import os
from pathlib import Path


class Unfinished:
    """A file under a temporary name, until `finish` gives it its own; it is locked, so that `sweep` spares it."""

    def __init__(self, temporary: Path) -> None:
        """Make it. Raises OSError; nothing is left behind then."""
        self.descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._name: Path | None = temporary
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        except BaseException:
            self.drop()
            raise

    def finish(self, final: Path) -> None:
        """Make it stand under its own name, on the same file system, durably. On OSError nothing is left behind."""
        if self._name is None:
            raise ValueError("This file was finished or dropped already.")
        try:
            os.fsync(self.descriptor)
            self._name.rename(final)
            self._name = final
            sync_folder(final.parent)
        except BaseException:
            self.drop()
            raise
        self._name = None
        os.close(self.descriptor)

    def drop(self) -> None:
        """Leave nothing behind, unless it was finished; may be repeated."""
        if self._name is not None:
            with contextlib.suppress(OSError):
                self._name.unlink()
            self._name = None
            os.close(self.descriptor)


def move(source: Path, target: Path) -> None:
    """Rename within one file system, durably on both sides."""
    source.rename(target)
    sync_folder(target.parent)
    sync_folder(source.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> int:
    """Remove the files of dead writers from a folder of temporary files; return how many there were."""
    removed = 0
    for path in folder.iterdir():
        with contextlib.suppress(OSError), path.open("rb") as file:  # its writer lives, or has just finished
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed += 1
    return removed
