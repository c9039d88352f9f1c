"""The metadata of series in the read cache: baked once for each state, and lately sent answers in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from orthanc.baking import SeriesKey, bake, below
from orthanc.cached import CachedInstance
from orthanc.flights import Flights
from orthanc.recent import RecentAnswers
from orthanc.shelf import BAKED, Shelf

Kept = Callable[[], bytes | None]
"""Says what is kept of a series beside the cache, baked; something false where nothing is."""


class BakedSeries:
    """Baked metadata by the state of their series. Safe for threads; work that several want at once is done once."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._answers = RecentAnswers()
        self._under_way: Flights[bytes] = Flights()

    def answer(self, key: SeriesKey, base_url: str, baked: Callable[[], bytes]) -> bytes:
        """Return them below one root, ready to send."""
        name = _name(key, base_url)
        answer = self._answers.get(name)
        if answer is None:
            answer = self._under_way.join(name, lambda: below(baked(), base_url))
            self._answers.add(name, answer)
        return answer

    def at_hand(self, key: SeriesKey, base_url: str) -> bytes | None:
        """Return what `answer` returned lately."""
        return self._answers.get(_name(key, base_url))

    def baked(self, key: SeriesKey, kept: Kept, instances: Callable[[], Iterable[CachedInstance]]) -> bytes:
        """Return them without a root: from the disk, from where they are kept beside it, or made of the instances."""
        baked = self._shelf.read(BAKED, key.name) or kept()
        return baked or self._under_way.join(key.name, lambda: self._bake(key, instances()))

    def forget(self) -> None:
        """Let go of what is in memory."""
        self._answers.clear()

    def _bake(self, key: SeriesKey, instances: Iterable[CachedInstance]) -> bytes:
        baked = bake(instances)
        with suppress(OSError):  # an answer that cannot be remembered is still an answer
            self._shelf.write(BAKED, key.name, (baked,))
        return baked


def _name(key: SeriesKey, base_url: str) -> str:
    return f"{key.name} {base_url}"
