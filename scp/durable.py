"""Writing files that are still there after the power fails.

A failed write or fsync means that the file is lost: it is removed and never fsynced again, because Linux may have
dropped the dirty pages and would report success the second time (PostgreSQL's "fsyncgate").
"""

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from scp.part10 import Buffer

_MOST_BYTES_PER_WRITE = 64 << 20


def create(temporary: Path, final: Path, pieces: Sequence[Buffer]) -> None:
    """Make `final` hold the pieces, durably, or raise OSError and leave nothing behind.

    Both must lie on one file system. The temporary file is locked while it has its name, so that `sweep` can tell
    a writer from a dead writer's remains.
    """
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    written = temporary
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for piece in pieces:
            _write_all(descriptor, memoryview(piece).cast("B"))
        os.fsync(descriptor)
        temporary.rename(final)
        written = final
        sync_folder(final.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            written.unlink()
        raise
    finally:
        os.close(descriptor)


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


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data[:_MOST_BYTES_PER_WRITE]) :]
