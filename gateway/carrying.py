"""All that one worker does with one inbox: into the archive, a look at what was stored, letting go after the grace."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.distrust import Distrust
from gateway.grace import Grace
from gateway.ingest import Ingest
from gateway.parts import Parts
from gateway.proving import Proving
from orthanc.errors import ArchiveUnavailable
from scp.inbox import Inbox, InboxTaken
from worklist.models import now

GAP = 0.05  # without an object for so long, the receivers have nothing to do,
PATIENCE = timedelta(seconds=3)  # and for so long at most an object waits for them
CORES = 2  # that the second look keeps busy at most: it computes, and hardly waits
TAKE_OVER = 1.0  # seconds until another worker's lock is tried again


@dataclass(slots=True)
class Carrying:
    """One worker at a time empties an inbox; another waits for its lock and takes over when it dies."""

    inbox: Inbox
    ingest: Ingest
    proving: Proving
    grace: Grace
    distrust: Distrust = field(default_factory=Distrust)
    _ours: bool = True

    def step(self) -> bool:
        """Carry a piece of each; True if there may be more at once. Raises ArchiveUnavailable: try again later.

        While objects come in, the machine is the receivers'.
        """
        if self._still_coming():
            return False
        self.distrust.check()
        try:
            with self.inbox.lock():
                self._ours = True
                more = self.ingest.step()
                more = self.grace.step() or more
                return (more and not self.distrust) or self._look() or more
        except InboxTaken:
            self._ours = False
            return False
        except ArchiveUnavailable:
            self.grace.doubt()
            raise

    def _look(self) -> bool:
        """Look at what was stored. Where the archive is not believed, nothing more is sent before that."""
        lost, more = self.proving.lost, self.proving.step()
        if self.proving.lost > lost:
            raise self.distrust.begin(self.proving.lost - lost)
        self.distrust.over()
        return more

    def _still_coming(self) -> bool:
        backlog = self.inbox.backlog()
        if backlog.oldest_at is None or backlog.newest_at is None:
            return False
        since_last, since_first = now() - backlog.newest_at, now() - backlog.oldest_at
        return timedelta(0) <= since_last < timedelta(seconds=GAP) and since_first < PATIENCE

    def soonest(self) -> float:
        """Seconds until the clock alone makes something due."""
        if not self._ours:
            return TAKE_OVER
        return min(self.grace.soonest(), GAP if self.inbox.backlog().count else math.inf)


def carrying_of(parts: Parts) -> Carrying:
    """The carrying of an installation's inbox."""
    pool = ThreadPoolExecutor(parts.settings.archive.connections, thread_name_prefix="ingest")
    grace = Grace(parts.inbox, parts.archive, parts.database, pool, parts.settings.archive.grace_seconds)
    ingest = Ingest(parts.inbox, parts.archive, parts.database, parts.folders.quarantine, grace, pool)
    looking = ThreadPoolExecutor(CORES, thread_name_prefix="prove")
    return Carrying(parts.inbox, ingest, Proving(parts.inbox, parts.archive, parts.cache, grace, looking), grace)
