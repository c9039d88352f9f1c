"""Memory of bodies that were sent, for the next ones: fresh memory is asked for, zeroed, and in no cache."""

from __future__ import annotations

from typing import Final

MOST: Final = 4
"""Pieces that are kept, of at most `dicomweb.quick.LARGEST` each; an event loop uses one at a time."""


class Spare:
    """Pieces of memory that nobody uses. Safe for threads."""

    def __init__(self) -> None:
        self._kept: list[bytearray] = []

    def take(self, size: int) -> bytearray:
        """Return memory of this size, with anything in it: whoever takes it fills all of it, or lets none of it out."""
        try:
            memory = self._kept.pop()
        except IndexError:
            return bytearray(size)
        if len(memory) > size:
            del memory[size:]
        elif len(memory) < size:
            memory.extend(bytes(size - len(memory)))
        return memory

    def give_back(self, memory: bytearray) -> None:
        """Let others have it; nobody may look into it from now on."""
        if len(self._kept) < MOST:
            self._kept.append(memory)
