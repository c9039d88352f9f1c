"""An archive that says that it stored what it was sent, and then does not have it, is sent it after growing pauses."""

from __future__ import annotations

import time
from dataclasses import dataclass

from orthanc.errors import ArchiveForgets

FIRST, LONGEST = 1.0, 300.0
"""Seconds of a pause."""


@dataclass(slots=True)
class Distrust:
    """Whether the archive is believed. Nothing is lost meanwhile: the inbox keeps what the archive has not."""

    _pause: float = 0.0
    _until: float = 0.0

    def __bool__(self) -> bool:
        return self._pause > 0

    def check(self) -> None:
        """Raise ArchiveForgets as long as the pause lasts."""
        if time.monotonic() < self._until:
            raise ArchiveForgets("It is not asked for a while.")

    def begin(self, lost: int) -> ArchiveForgets:
        """It lied, perhaps again: return what is to be raised, and let a pause twice as long as the last one begin."""
        self._pause = min(2 * self._pause, LONGEST) or FIRST
        self._until = time.monotonic() + self._pause
        return ArchiveForgets(f"It said yes to {lost} instances, and has none of them.")

    def over(self) -> None:
        """It had what it said."""
        self._pause = 0.0
