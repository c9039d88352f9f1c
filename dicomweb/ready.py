"""The metadata of every series of an open case, in the database: no eviction, restart or lost cache takes them away.

What lies there is sealed; what no key of ours opens, is damaged, or is of another version or form, counts as absent, is
taken away and made again (docs/adr/0024). Rights are not asked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Select, delete, exists, not_, select
from sqlalchemy.exc import SQLAlchemyError

from config.database import Database
from config.keys import KeyMissing, KeyRing, KeysUnusable
from config.sealed_bytes import SealedBytes, key_needed, seal, unseal
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
        except Damaged:
            with suppress(SQLAlchemyError):
                self._remove([series.row], Row.version == series.version)
            return None
        except (KeyMissing, KeysUnusable, OSError):
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
        """Remove those of series that are of no open case any more, and what no key opens; how many.

        Raises KeysUnusable and OSError, too.
        """
        is_over = Row.series_id.not_in(_of_open_cases().with_only_columns(Series.id))
        known = {key.id for key in self.ring.keys().all}
        with self.database.reading() as session:
            over = session.scalars(select(Row.series_id).where(is_over)).all()
            slots = session.execute(select(Row.series_id, Row.slot)).all()
        self._remove(over, is_over)
        closed = {series_id: slot for series_id, slot in slots if key_needed(slot) not in known}
        self._remove(list(closed), Row.slot.in_(set(closed.values())))
        return len({*over, *closed})

    def _remove(self, series_rows: Sequence[int], still: ColumnElement[bool]) -> None:
        if series_rows:
            with self.database.writing_quietly() as session:
                session.execute(delete(Row).where(Row.series_id.in_(series_rows), still))


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
