"""What somebody was found to see of a series: it holds until anything is committed to the database, at most a second.

Nothing is ever out of date: the revision of the database is read before rights are looked up, and again before they are
used. The second bounds what changes with time alone, a session or a link that expires. See docs/adr/0014.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dicomweb.holdings import HeldSeries
from dicomweb.known import Instances
from worklist.access import Sight

HOLDS: Final = 1.0
MOST: Final = 1000


ASKER: Final = ("cookie", "authorization", "host")
"""The headers by which a request says who it is from, and under which of our names it came."""


def asker_of(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return who asks, out of headers by their names in lower case."""
    return tuple(headers.get(name, "") for name in ASKER)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was looked up: at which revision of the database, and by which clock."""

    revision: object
    at: float

    @classmethod
    def now(cls, revision: object) -> Moment:
        """This moment; `revision` was read before anything else."""
        return cls(revision, time.monotonic())


@dataclass(frozen=True, slots=True)
class Question:
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


class Verdicts:
    """The verdicts of the last moment, bounded in number. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Question, tuple[Moment, Verdict]] = OrderedDict()

    def find(self, question: Question, now: Moment) -> Verdict | None:
        """Return what was found of this question, if it still holds."""
        with self._lock:
            found = self._kept.get(question)
        if found is None or found[0].revision != now.revision or now.at - found[0].at > HOLDS:
            return None
        return found[1]

    def keep(self, question: Question, asked: Moment, verdict: Verdict) -> None:
        """Remember what was found at the moment `asked` or later."""
        with self._lock:
            self._kept[question] = asked, verdict
            self._kept.move_to_end(question)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
