"""The instances of a study, series or instance that are in sight. Nothing else of a row leaves here.

Which of the origins of a study is meant, `worklist.access.sees_study` decides; nothing here mixes two of them. Which
of its series are in sight, `worklist.papers` decides.

An absent study, a foreign one, a series of another study: all of them are the same `not_found()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, select
from sqlalchemy.orm import Session

from dicomweb.problems import not_found
from orthanc.cache import Archived
from worklist.access import Sight, sees_study
from worklist.models import Instance, Series, Study
from worklist.papers import SEES_SERIES, seeing

_IN_SERIES: Final = (Instance.number.asc().nulls_last(), Instance.id)


@dataclass(frozen=True, slots=True)
class Held:
    """One instance in sight; `series_row` and `series_version` say which state of the series."""

    series_row: int
    series_version: int
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    transfer_syntax: str
    rows: int
    frames: int
    modality: str
    sha256: str
    archive_id: str


@dataclass(frozen=True, slots=True)
class HeldSeries:
    """One series in sight."""

    series_uid: str
    row: int
    version: int

    @property
    def state(self) -> tuple[int, int]:
        """Changes whenever an instance comes or goes."""
        return self.row, self.version


def held_series(
    connection: Connection, sight: Sight, study_uid: str, series_uid: str | None = None
) -> list[HeldSeries]:
    """Return the series of a path, in their order; raise `not_found()` if there are none."""
    given = {"study_uid": study_uid} | ({"series_uid": series_uid} if series_uid is not None else {})
    rows = connection.execute(_series_in_sight(sight, of_one=series_uid is not None), given | seeing(sight.viewer))
    found = [HeldSeries(uid, row, version) for uid, row, version in rows]
    if not found:
        raise not_found()
    return found


def studies_in_sight(session: Session, sight: Sight) -> set[tuple[str, str]]:
    """Return origin and Study Instance UID of each study."""
    return {
        (origin, uid) for origin, uid in session.execute(select(Study.origin, Study.study_uid).where(sees_study(sight)))
    }


def held_instances(connection: Connection, sight: Sight, study_uid: str, series_uid: str | None = None) -> list[Held]:
    """Return the instances below a path, in series and instance order; raise `not_found()` if there are none."""
    chosen = (
        _instances()
        .where(Study.study_uid == study_uid, sees_study(sight), SEES_SERIES)
        .order_by(Series.number.asc().nulls_last(), Series.series_uid, *_IN_SERIES)
    )
    if series_uid is not None:
        chosen = chosen.where(Series.series_uid == series_uid)
    found = [Held(*tuple(row)) for row in connection.execute(chosen, seeing(sight.viewer))]
    if not found:
        raise not_found()
    return found


def instances_of_row(connection: Connection, series_row: int) -> dict[str, Held]:
    """Return the instances of one row that `held_series` gave out, by SOP Instance UID, in their order."""
    chosen = _instances().where(Instance.series_id == series_row).order_by(*_IN_SERIES)
    found = (Held(*tuple(row)) for row in connection.execute(chosen))
    return {held.sop_uid: held for held in found}


def archived_instances(session: Session, series_row: int) -> list[Archived]:
    """Return what the archive has of one row that `held_series` gave out."""
    chosen = select(Instance.sha256, Instance.archive_id).where(Instance.series_id == series_row)
    return [Archived(sha256, archive_id) for sha256, archive_id in session.execute(chosen)]


@lru_cache(maxsize=512)
def _series_in_sight(sight: Sight, *, of_one: bool) -> Select[str, int, int]:
    """Build the question of every request, once for each sight: building it costs more than asking it."""
    chosen = (
        select(Series.series_uid, Series.id, Series.version)
        .join(Study, Series.study_id == Study.id)
        .where(Study.study_uid == bindparam("study_uid"), sees_study(sight), SEES_SERIES)
        .order_by(Series.number.asc().nulls_last(), Series.series_uid)
    )
    return chosen.where(Series.series_uid == bindparam("series_uid")) if of_one else chosen


def forget_questions() -> None:
    """Let go of the questions of those who asked lately."""
    _series_in_sight.cache_clear()


def _instances() -> Select[*tuple[Any, ...]]:
    """Every instance, in the order of the fields of `Held`."""
    return (
        select(
            Instance.series_id,
            Series.version,
            Study.study_uid,
            Series.series_uid,
            Instance.sop_uid,
            Instance.sop_class_uid,
            Instance.transfer_syntax,
            Instance.rows,
            Instance.frames,
            Series.modality,
            Instance.sha256,
            Instance.archive_id,
        )
        .join(Series, Instance.series_id == Series.id)
        .join(Study, Series.study_id == Study.id)
    )
