"""The images of cases that are to be read stay in the read cache, so that they open while the archive is down.

A cache that evicts what was used least recently would let go first what waits longest to be read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from sqlalchemy import select

from config.database import Database
from orthanc.cache import Archived, ReadCache
from orthanc.errors import AlteredInArchive, ArchiveRefused, Unreadable
from worklist.models import Case, CaseStudy, Instance
from worklist.states import CaseState

TO_BE_READ = frozenset({CaseState.READY, CaseState.CLAIMED, CaseState.ON_HOLD})
EVERY = 300.0  # seconds
SHARE = 0.8  # of the cache that is kept for them; the rest is for what is looked at besides

log = structlog.get_logger()


@dataclass(slots=True)
class Readying:
    """Looks after the images of all cases that are to be read, those due first; `max_bytes` is the cache's bound."""

    database: Database
    cache: ReadCache
    max_bytes: int
    _due: float = 0.0

    def step(self) -> bool:
        """Have them here as if they were just used, if it is time; False. Raises ArchiveUnavailable: try again."""
        if time.monotonic() < self._due:
            return False
        for one in self._wanted():
            try:
                self.cache.keep(one)
            except (AlteredInArchive, ArchiveRefused, Unreadable) as error:
                log.warning("an image is not ready", archive_id=one.archive_id, error=type(error).__name__)
        self._due = time.monotonic() + EVERY
        return False

    def _wanted(self) -> Iterator[Archived]:
        chosen = (
            select(Instance.sha256, Instance.archive_id, Instance.size)
            .join(CaseStudy, CaseStudy.study_id == Instance.study_id)
            .join(Case, Case.id == CaseStudy.case_id)
            .where(Case.state.in_(TO_BE_READ))
            .order_by(Case.due_at.asc().nulls_last(), Case.id, Instance.id)
        )
        with self.database.reading() as session:
            rows = session.execute(chosen).all()
        room = self.max_bytes * SHARE
        for sha256, archive_id, size in rows:
            room -= size
            if room < 0:
                return
            yield Archived(sha256, archive_id)
