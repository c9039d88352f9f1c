"""The images of cases that are to be read stay in the read cache, so that they open while the archive is down.

A cache that evicts what was used least recently would let go first what waits longest to be read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from config.database import Database
from dicomweb.baked import Baked
from dicomweb.holdings import HeldSeries
from gateway.beside import newest_prior
from orthanc.cache import Archived, ReadCache
from orthanc.errors import AlteredInArchive, ArchiveError, ArchiveRefused, Unreadable
from worklist.access import Viewer
from worklist.models import Case, CaseStudy, Instance, Series
from worklist.states import CaseState, Role

TO_BE_READ = frozenset({CaseState.READY, CaseState.CLAIMED, CaseState.ON_HOLD})
EVERY = 300.0  # seconds
SHARE = 0.8  # of the cache that is kept for them; the rest is for what is looked at besides
MOST_BESIDE = 100
"""Of so many cases, those due first, the study that the viewer shows beside theirs is kept, too."""
OURSELVES = Viewer(0, frozenset({Role.COORDINATOR}), frozenset(), None)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Beside:
    """The study beside that of a case, in one state."""

    study_id: int
    version: int


@dataclass(slots=True)
class Readying:
    """Looks after the images of all cases that are to be read, those due first, then after those beside them.

    `max_bytes` is the cache's bound.
    """

    database: Database
    cache: ReadCache
    max_bytes: int
    baked: Baked
    _due: float = 0.0
    _ahead: set[_Beside] = field(default_factory=set)

    def step(self) -> bool:
        """Have them here as if they were just used, if it is time; False. Raises ArchiveUnavailable: try again."""
        if time.monotonic() < self._due:
            return False
        beside = self._beside()
        for one in self._wanted(beside):
            try:
                self.cache.keep(one)
            except (AlteredInArchive, ArchiveRefused, Unreadable) as error:
                log.warning("an image is not ready", archive_id=one.archive_id, error=type(error).__name__)
        self._bake(beside)
        self._due = time.monotonic() + EVERY
        return False

    def _beside(self) -> list[_Beside]:
        first = select(Case).where(Case.state.in_(TO_BE_READ)).order_by(Case.due_at.asc().nulls_last(), Case.id)
        with self.database.reading() as session:
            cases = session.scalars(first.limit(MOST_BESIDE)).all()
            return [one for case in cases if (one := _beside_of(session, case)) is not None]

    def _wanted(self, beside: list[_Beside]) -> Iterator[Archived]:
        chosen = select(Instance.sha256, Instance.archive_id, Instance.size)
        own = (
            chosen.join(CaseStudy, CaseStudy.study_id == Instance.study_id)
            .join(Case, Case.id == CaseStudy.case_id)
            .where(Case.state.in_(TO_BE_READ))
            .order_by(Case.due_at.asc().nulls_last(), Case.id, Instance.id)
        )
        with self.database.reading() as session:
            rows = {sha256: (archive_id, size) for sha256, archive_id, size in session.execute(own)}
            for one in beside:
                of_study = chosen.where(Instance.study_id == one.study_id).order_by(Instance.id)
                for sha256, archive_id, size in session.execute(of_study):
                    rows.setdefault(sha256, (archive_id, size))
        room = self.max_bytes * SHARE
        for sha256, (archive_id, size) in rows.items():
            room -= size
            if room < 0:
                return
            yield Archived(sha256, archive_id)

    def _bake(self, beside: list[_Beside]) -> None:
        """Have the viewer's answers about them ready, each state once."""
        self._ahead &= set(beside)
        for one in beside:
            if one not in self._ahead and self._is_here(one.study_id):
                self._ahead.add(one)
                try:
                    self._bake_study(one.study_id)
                except (ArchiveError, Unreadable) as error:
                    log.warning("metadata not ready ahead", study=one.study_id, reason=str(error))

    def _bake_study(self, study_id: int) -> None:
        chosen = select(Series.series_uid, Series.id, Series.version).where(Series.study_id == study_id)
        with self.database.reading() as session:
            found = [HeldSeries(*row) for row in session.execute(chosen)]
        for series in found:
            self.baked.ahead(series)

    def _is_here(self, study_id: int) -> bool:
        """Whether there was room for it: nothing is fetched for its metadata alone."""
        with self.database.reading() as session:
            digests = session.scalars(select(Instance.sha256).where(Instance.study_id == study_id)).all()
        return all(self.cache.has(each) for each in digests)


def _beside_of(session: Session, case: Case) -> _Beside | None:
    study = newest_prior(session, OURSELVES, case)
    return _Beside(study.id, study.version) if study else None
