"""What was used last stays open in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from orthanc.cached import CachedInstance

MOST: Final = 256
"""Each holds one file descriptor; 1024 is the usual limit of a process."""

MOST_BYTES: Final = 64 * 1024 * 1024
_FRAME_BYTES: Final = 200


class Recent:
    """The instances used last, bounded in number and in memory. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, CachedInstance] = OrderedDict()
        self._bytes = 0

    def get(self, sha256: str) -> CachedInstance | None:
        """Return the instance if it is here, and make it the newest."""
        with self._lock:
            entry = self._entries.get(sha256)
            if entry is not None:
                self._entries.move_to_end(sha256)
            return entry

    def add(self, sha256: str, instance: CachedInstance) -> None:
        """Make an instance the newest; the oldest go."""
        with self._lock:
            self._forget(sha256)
            self._entries[sha256] = instance
            self._bytes += _weight(instance)
            while len(self._entries) > MOST or (self._bytes > MOST_BYTES and len(self._entries) > 1):
                self._forget(next(iter(self._entries)))

    def clear(self) -> None:
        """Let everything go."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _forget(self, sha256: str) -> None:
        gone = self._entries.pop(sha256, None)
        if gone is not None:
            self._bytes -= _weight(gone)


def _weight(instance: CachedInstance) -> int:
    return len(instance.metadata) + _FRAME_BYTES * instance.frame_count
