"""What was used last stays open in memory."""

from __future__ import annotations

import resource
import threading
from collections import OrderedDict
from typing import Final

from orthanc.cached import CachedInstance

MOST: Final = 2000
"""Each holds one file descriptor; half of what this process may open is never theirs."""

MOST_BYTES: Final = 64 * 1024 * 1024
_FRAME_BYTES: Final = 200
_OPEN_BYTES: Final = 4096

MOST_ANSWER_BYTES: Final = 16 * 1024 * 1024


class Recent:
    """The instances used last, bounded in number and in memory. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, CachedInstance] = OrderedDict()
        self._bytes = 0
        self._most = min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

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
            while len(self._entries) > self._most or (self._bytes > MOST_BYTES and len(self._entries) > 1):
                self._forget(next(iter(self._entries)))

    def forget(self, sha256: str) -> None:
        """Let one go."""
        with self._lock:
            self._forget(sha256)

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
    return _OPEN_BYTES + len(instance.metadata) + _FRAME_BYTES * instance.frame_count


class RecentAnswers:
    """Baked metadata as they were sent last, bounded in memory. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, name: str) -> bytes | None:
        """Return an answer if it is here."""
        with self._lock:
            answer = self._answers.get(name)
            if answer is not None:
                self._answers.move_to_end(name)
            return answer

    def add(self, name: str, answer: bytes) -> None:
        """Remember an answer; the oldest go."""
        with self._lock:
            if name in self._answers:
                return
            self._answers[name] = answer
            self._bytes += len(answer)
            while self._bytes > MOST_ANSWER_BYTES:
                self._bytes -= len(self._answers.popitem(last=False)[1])

    def clear(self) -> None:
        """Let everything go."""
        with self._lock:
            self._answers.clear()
            self._bytes = 0
