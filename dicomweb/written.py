"""Search results that were written lately, so that a page costs one look at the rights and no look at its rows.

A result of one version of its study never changes, so nothing here is ever out of date. Rights are not kept here:
which results somebody gets is asked of the database each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final

from dicomweb.searching import Hit

MOST_BYTES: Final = 16 << 20
OF_A_SHAPE: Final = 4096
OF_A_HIT: Final = 256
"""What it costs to remember one, beside the bytes of the result."""

Write = Callable[[Sequence[Hit]], Iterable[tuple[Hit, bytes]]]
Shelf = dict[Hashable, dict[Hit, bytes]]
"""Results by their shape (format, fields, root) and their hit."""


class WrittenResults:
    """Two shelves: what is used goes to the new one; when that is full it is the old one, and the old one goes.

    Both together hold at most `most_bytes`, but for a single page that is larger. Safe for threads.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes // 2
        self._lock = threading.Lock()
        self._new: Shelf = {}
        self._old: Shelf = {}
        self._bytes = 0

    def results(self, shape: Hashable, hits: Sequence[Hit], write: Write) -> list[bytes]:
        """Return the results of a page; `write` writes those that nobody asked for lately."""
        with self._lock:
            new, old = self._new.get(shape, {}), self._old.get(shape, {})
            found = {hit: one for hit in hits if (one := new.get(hit)) is not None}
            used = {hit: old[hit] for hit in hits if hit not in found and hit in old}
        found |= used
        missing = [hit for hit in hits if hit not in found]
        fresh = used | dict(write(missing)) if missing else used
        if fresh:
            self._add(shape, fresh)
            found |= fresh
        return [found[hit] for hit in hits]

    def _add(self, shape: Hashable, fresh: dict[Hit, bytes]) -> None:
        with self._lock:
            if self._bytes + OF_A_SHAPE + sum(map(_cost, fresh.values())) > self._most:
                self._old, self._new, self._bytes = self._new, {}, 0
            self._bytes += 0 if shape in self._new else OF_A_SHAPE
            shelf = self._new.setdefault(shape, {})
            for hit, written in fresh.items():
                self._bytes += 0 if hit in shelf else _cost(written)
                shelf[hit] = written


def _cost(written: bytes) -> int:
    return OF_A_HIT + len(written)
