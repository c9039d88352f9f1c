"""The instances of the series that were asked for last, so that a frame costs no query but the one for the rights.

What a series holds in one version never changes, so nothing here is ever out of date; rights are not kept here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from dicomweb.holdings import Held

MOST_INSTANCES: Final = 20_000
"""About 12 MB; one series may be larger."""

State = tuple[int, int]
"""Row and version of a series."""

Instances = Mapping[str, Held]
"""By SOP Instance UID."""


class KnownSeries:
    """Instances by the state of their series, bounded in number. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: OrderedDict[State, Instances] = OrderedDict()
        self._count = 0

    def instances(self, state: State, load: Callable[[], Instances]) -> Instances:
        """Return what a series holds in this state; `load` looks it up if nobody asked lately."""
        with self._lock:
            known = self._series.get(state)
            if known is not None:
                self._series.move_to_end(state)
                return known
        loaded = load()
        self._add(state, loaded)
        return loaded

    def _add(self, state: State, instances: Instances) -> None:
        with self._lock:
            if state in self._series:
                return
            self._series[state] = instances
            self._count += len(instances)
            while self._count > MOST_INSTANCES and len(self._series) > 1:
                self._count -= len(self._series.popitem(last=False)[1])
