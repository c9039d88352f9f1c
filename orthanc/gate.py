"""The way of readers to the archive: few at a time, no crowd before it, shut for a while when the archive is silent.

A hung archive would otherwise hold a thread of the web application for each image that somebody asks for, until none
is left for those who need no archive at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from orthanc.errors import ArchiveSilent, ArchiveUnavailable

PLACES: Final = 4
CROWD: Final = 32
SHUT_SECONDS: Final = 5.0
"""As long as a client is told to wait before it asks again."""


class Gate:
    """Lets `places` through at a time and `crowd` wait; whoever comes behind them is told so. Safe for threads."""

    def __init__(self, places: int = PLACES, crowd: int = CROWD, shut_seconds: float = SHUT_SECONDS) -> None:
        self._places = threading.Semaphore(places)
        self._most = places + crowd
        self._shut_seconds = shut_seconds
        self._lock = threading.Lock()
        self._inside = 0
        self._opens_at = 0.0
        self._trying = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """Go through. Raises ArchiveUnavailable at once if the gate is shut or too many wait.

        ArchiveSilent within the block shuts it; after a while one alone may try, and opens it if the archive answers.
        """
        with self._lock:
            if self._inside >= self._most:
                raise ArchiveUnavailable("Too many wait for the archive.")
            self._inside += 1
        try:
            with self._places:
                tries = self._enter()
                try:
                    yield
                except ArchiveSilent:
                    self._opens_at = time.monotonic() + self._shut_seconds
                    raise
                else:
                    self._opens_at = 0.0
                finally:
                    self._trying = self._trying and not tries
        finally:
            with self._lock:
                self._inside -= 1

    def _enter(self) -> bool:
        """Whether this one tries if the archive is back."""
        with self._lock:
            if not self._opens_at:
                return False
            if self._trying or time.monotonic() < self._opens_at:
                raise ArchiveUnavailable("The archive did not answer a moment ago.")
            self._trying = True
            return True
