"""Search results that were written lately, so that a page costs one look at the rights and no look at its rows.

A result of one version of its study never changes, so nothing here is ever out of date. Rights are not kept here:
which results somebody gets is asked of the database each time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final

from dicomweb.searching import Hit

MOST_BYTES: Final = 16 << 20

Write = Callable[[Sequence[Hit]], Iterable[tuple[Hit, bytes]]]


class WrittenResults:
    """Results in one shape (format, fields, root) by their hit, bounded in bytes. Safe for threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._results: OrderedDict[tuple[Hashable, Hit], bytes] = OrderedDict()
        self._bytes = 0

    def results(self, shape: Hashable, hits: Sequence[Hit], write: Write) -> list[bytes]:
        """Return the results of a page; `write` writes those that nobody asked for lately."""
        keys = [(shape, hit) for hit in hits]
        with self._lock:
            found = [self._results.get(key) for key in keys]
            for key, one in zip(keys, found, strict=True):
                if one is not None:
                    self._results.move_to_end(key)
        missing = [hit for hit, one in zip(hits, found, strict=True) if one is None]
        if not missing:
            return [one for one in found if one is not None]
        fresh = dict(write(missing))
        self._add(shape, fresh)
        return [fresh[hit] if one is None else one for hit, one in zip(hits, found, strict=True)]

    def _add(self, shape: Hashable, fresh: dict[Hit, bytes]) -> None:
        with self._lock:
            for hit, written in fresh.items():
                if (shape, hit) not in self._results:
                    self._results[shape, hit] = written
                    self._bytes += len(written)
            while self._bytes > self._most:
                self._bytes -= len(self._results.popitem(last=False)[1])
