"""The bound on the cache's folder: what was used least recently goes first.

Several processes share the folder, so its files are the only truth: a file's modification time is when it was last
used, sizes are summed when this process has written a twentieth of the bound. One process sweeps at a time. A disk that
fills up shrinks the bound: an inbox that can write is worth more than a warm cache.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

SWEEP_SHARE: Final = 20
SWEEP_BYTES: Final = 1 << 30
RESERVE_SHARE: Final = 10
RESERVE_BYTES: Final = 10 << 30
"""Of the disk that the inbox lives on too, a tenth, at most 10 GB, is never the cache's."""

KEEP: Final = 0.9
"""A sweep leaves so much of the bound, so that the next one is not due at once."""

ABANDONED_SECONDS: Final = 3600.0


class Bound:
    """Keeps the files in these folders below `folder` within about `max_bytes`: a twentieth more for each process."""

    def __init__(self, folder: Path, max_bytes: int, names: tuple[str, ...]) -> None:
        self._folder = folder
        self._names = names
        self._max_bytes = max_bytes
        self._step = min(max_bytes // SWEEP_SHARE, SWEEP_BYTES)
        self._unswept = self._step  # the first write looks what earlier processes left
        self._lock = threading.Lock()

    def wrote(self, size: int) -> None:
        """Count what was written; sweep if it is time."""
        with self._lock:
            self._unswept += size
            due = self._unswept >= self._step
            if due:
                self._unswept = 0
        if due:
            self.sweep()

    def sweep(self) -> None:
        """Remove what was used least recently until the folder is within its bound, unless somebody is at it."""
        with (self._folder / "sweep.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._remove_abandoned()
            files = list(_files(self._folder, self._names))
            total = sum(size for _, size, _ in files)
            disk = shutil.disk_usage(self._folder)
            limit = allowed(self._max_bytes, total, disk.free, disk.total)
            if total > limit:
                _evict(files, total - int(limit * KEEP))

    def _remove_abandoned(self) -> None:
        """Remove what a process that died was writing."""
        for file, _, written_at in _files(self._folder, ("tmp",)):
            if written_at < time.time() - ABANDONED_SECONDS:
                file.unlink(missing_ok=True)


def allowed(max_bytes: int, used: int, free: int, disk: int) -> int:
    """How many bytes the cache may have, of which it has `used`, on a disk of this size with so much free."""
    reserve = min(disk // RESERVE_SHARE, RESERVE_BYTES)
    return max(0, min(max_bytes, used + free - reserve))


def _evict(files: list[tuple[Path, int, float]], surplus: int) -> None:
    for file, size, _ in sorted(files, key=lambda one: one[2]):
        if surplus <= 0:
            return
        file.unlink(missing_ok=True)
        surplus -= size


def _files(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[Path, int, float]]:
    """Yield every file below these folders with its size and modification time."""
    for name in names:
        for place, _, files in os.walk(folder / name):
            for file in files:
                path = Path(place, file)
                with suppress(FileNotFoundError):
                    about = path.stat()
                    yield path, about.st_size, about.st_mtime
