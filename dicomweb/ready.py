"""The metadata of every series of an open case, in the database: no eviction, restart or lost cache takes them away.

What lies there is sealed; what no key of ours opens, or is of another version or form, counts as absent and is made
again (docs/adr/0024). Rights are not asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, delete, exists, not_, select

from config.database import Database
from config.keys import KeyMissing, KeyRing
from config.sealed_bytes import SealedBytes, seal, unseal
from config.sealing import Damaged, Subject
from dicomweb.holdings import HeldSeries
from orthanc.sidecar import FORMAT
from worklist.models import Case, CaseStudy, Series
from worklist.models import SeriesMetadata as Row
from worklist.states import CaseState

OPEN: Final = frozenset({CaseState.READY, CaseState.CLAIMED, CaseState.ON_HOLD, CaseState.SIGNED})
"""Somebody reads it, or looks at it once more before the report is delivered."""


@dataclass(frozen=True, slots=True)
class ReadyMetadata:
    """Baked metadata (`orthanc.baking`) by the state of their series."""

    database: Database
    ring: KeyRing

    def read(self, series: HeldSeries) -> bytes | None:
        """Return what was kept of this very state; None if nothing was, or nothing that can be opened."""
        with self.database.reading() as session:
            same = (Row.series_id == series.row, Row.version == series.version, Row.form == FORMAT)
            found = session.execute(select(Row.slot, Row.content).where(*same)).one_or_none()
        try:
            return unseal(SealedBytes(*found), subject_of(series.row, series.version), self.ring) if found else None
        except (Damaged, KeyMissing):
            return None

    def keep(self, series: HeldSeries, baked: bytes) -> None:
        """Keep them, in the place of an earlier state; nothing happens if the series has changed meanwhile."""
        sealed = seal(baked, subject_of(series.row, series.version), self.ring)
        with self.database.writing_quietly() as session:
            same = (Series.id == series.row, Series.version == series.version)
            if session.scalar(select(Series.id).where(*same).with_for_update()) is not None:
                made = {"series_id": series.row, "version": series.version, "form": FORMAT}
                session.merge(Row(**made, slot=sealed.slot, content=sealed.content))

    def lacking(self, most: int) -> list[HeldSeries]:
        """Return series of open cases that are not kept as they are now: the cases due first go first."""
        kept = exists().where(Row.series_id == Series.id, Row.version == Series.version, Row.form == FORMAT)
        asked = _of_open_cases().where(not_(kept)).order_by(Case.due_at.asc().nulls_last(), Case.id, Series.id)
        with self.database.reading() as session:
            rows = session.execute(asked.limit(most)).all()
        return list(dict.fromkeys(HeldSeries(*row) for row in rows))

    def let_go(self) -> int:
        """Remove those of series that are of no open case any more; how many."""
        over = select(Row.series_id).where(Row.series_id.not_in(_of_open_cases().with_only_columns(Series.id)))
        with self.database.reading() as session:
            some = session.scalars(over).all()
        if some:
            with self.database.writing_quietly() as session:
                session.execute(delete(Row).where(Row.series_id.in_(some), Row.series_id.in_(over)))
        return len(some)


def subject_of(series_row: int, version: int) -> Subject:
    """What a row is sealed as."""
    return Subject("series metadata", f"{series_row}/{version}")


def _of_open_cases() -> Select[str, int, int]:
    return (
        select(Series.series_uid, Series.id, Series.version)
        .join(CaseStudy, CaseStudy.study_id == Series.study_id)
        .join(Case, Case.id == CaseStudy.case_id)
        .where(Case.state.in_(OPEN))
    )
