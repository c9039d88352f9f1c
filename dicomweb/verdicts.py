"""Who was found to ask, and what they were found to see: it holds until anything is committed, at most a second.

Nothing is ever out of date: the revision of the database is read before rights are looked up, and again before they are
used. The second bounds what changes with time alone, a session or a link that expires. See docs/adr/0014.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from dicomweb.holdings import HeldSeries
from dicomweb.known import Instances
from worklist.access import Sight, Viewer

HOLDS: Final = 1.0
MOST: Final = 1000


ASKER: Final = ("cookie", "authorization", "host")
"""The headers by which a request says who it is from, and under which of our names it came."""


def asker_of(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return who asks, out of headers by their names in lower case."""
    return tuple(headers.get(name, "") for name in ASKER)


class Moment(NamedTuple):
    """When something was looked up: at which revision of the database, and by which clock."""

    revision: object
    at: float

    @classmethod
    def now(cls, revision: object) -> Moment:
        """This moment; `revision` was read before anything else."""
        return cls(revision, time.monotonic())


class Question(NamedTuple):
    """Who asks, as the request says it (`asker_of`), and for which series below which root."""

    asker: tuple[str, ...]
    case_id: int | None
    study_uid: str
    series_uid: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer: in whose sight the series is, its public root, what it holds."""

    sight: Sight
    root: str
    series: HeldSeries
    instances: Instances


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who asks: their rights, and the public URL of /dicom-web under which they came."""

    viewer: Viewer
    base_url: str


Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


def _one(_: object) -> int:
    return 1


class Lately(Generic[Key, Found]):
    """What was found in the last moment, bounded: at most `most` of what `weigh` measures. Safe for threads."""

    def __init__(self, most: int = MOST, weigh: Callable[[Found], int] = _one) -> None:
        self._most, self._weigh, self._weight = most, weigh, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, tuple[Moment, Found]] = OrderedDict()

    def find(self, key: Key, now: Moment) -> Found | None:
        """Return what was found, if it still holds."""
        kept = self.entry(key, now)
        return kept[1] if kept else None

    def entry(self, key: Key, now: Moment) -> tuple[Moment, Found] | None:
        """Return what was found and since when it holds, if it still does."""
        with self._lock:
            kept = self._kept.get(key)
        if kept is None or kept[0].revision != now.revision or now.at - kept[0].at > HOLDS:
            return None
        return kept

    def keep(self, key: Key, asked: Moment, found: Found) -> None:
        """Remember what was found at the moment `asked` or later."""
        with self._lock:
            self._drop(self._kept.pop(key, None))
            self._kept[key] = asked, found
            self._weight += self._weigh(found)
            while self._weight > self._most or self._is_over(asked):
                self._drop(self._kept.popitem(last=False)[1])

    def _is_over(self, now: Moment) -> bool:
        """Whether the oldest holds no more: what it was found to see may be thousands of instances."""
        oldest = next(iter(self._kept.values()), None)
        return oldest is not None and now.at - oldest[0].at > HOLDS

    def _drop(self, kept: tuple[Moment, Found] | None) -> None:
        self._weight -= self._weigh(kept[1]) if kept else 0
