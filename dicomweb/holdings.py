"""The instances of a study, series or instance that this person may see. Nothing else of a row leaves here.

An absent study, a foreign one, a series of another study: all of them are the same `not_found()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select
from sqlalchemy.orm import Session

from dicomweb.problems import not_found
from orthanc.cache import Archived
from worklist.access import Viewer, sees_study
from worklist.models import Instance, Series, Study


@dataclass(frozen=True, slots=True)
class Held:
    """One instance that this person may see; `series_row` and `series_version` say which state of the series."""

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
    """The rows of one series that this person may see: one, or more if it came from several origins."""

    study_uid: str
    series_uid: str
    states: tuple[tuple[int, int], ...]
    """Row and version of each, rows ascending: changes whenever an instance comes or goes."""


def held_series(
    connection: Connection, viewer: Viewer, study_uid: str, series_uid: str | None = None
) -> list[HeldSeries]:
    """Return the visible series of a path, in their order; raise `not_found()` if there are none."""
    given = {"study_uid": study_uid} | ({"series_uid": series_uid} if series_uid is not None else {})
    states: dict[str, list[tuple[int, int]]] = {}
    for uid, row, version in connection.execute(_visible_series(viewer, of_one=series_uid is not None), given):
        states.setdefault(uid, []).append((row, version))
    if not states:
        raise not_found()
    return [HeldSeries(study_uid, uid, tuple(sorted(rows))) for uid, rows in states.items()]


def held_instances(connection: Connection, viewer: Viewer, study_uid: str, series_uid: str | None = None) -> list[Held]:
    """Return the visible instances below a path, in series and instance order; raise `not_found()` if there are none.

    An instance that came from two origins is there once, as the first of its rows.
    """
    chosen = (
        _instances()
        .where(Study.study_uid == study_uid, sees_study(viewer))
        .order_by(Series.number.asc().nulls_last(), Series.series_uid, Instance.number.asc().nulls_last(), Instance.id)
    )
    if series_uid is not None:
        chosen = chosen.where(Series.series_uid == series_uid)
    once: dict[tuple[str, str], Held] = {}
    for row in connection.execute(chosen):
        held = Held(*tuple(row))
        once.setdefault((held.series_uid, held.sop_uid), held)
    if not once:
        raise not_found()
    return list(once.values())


def instances_of_row(connection: Connection, series_row: int) -> dict[str, Held]:
    """Return the instances of one row that `held_series` gave out, by SOP Instance UID."""
    found = (Held(*tuple(row)) for row in connection.execute(_instances().where(Instance.series_id == series_row)))
    return {held.sop_uid: held for held in found}


def archived_instances(session: Session, series_row: int) -> list[Archived]:
    """Return what the archive has of one row that `held_series` gave out."""
    chosen = select(Instance.sha256, Instance.archive_id).where(Instance.series_id == series_row)
    return [Archived(sha256, archive_id) for sha256, archive_id in session.execute(chosen)]


@lru_cache(maxsize=512)
def _visible_series(viewer: Viewer, *, of_one: bool) -> Select[str, int, int]:
    """Build the question of every request, once for each set of rights: building it costs more than asking it."""
    chosen = (
        select(Series.series_uid, Series.id, Series.version)
        .join(Study, Series.study_id == Study.id)
        .where(Study.study_uid == bindparam("study_uid"), sees_study(viewer))
        .order_by(Series.number.asc().nulls_last(), Series.series_uid, Series.id)
    )
    return chosen.where(Series.series_uid == bindparam("series_uid")) if of_one else chosen


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
