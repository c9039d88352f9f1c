"""A search in our own rows, with the person's rights inside the SQL.

What the database counts, orders and cuts is only what this person may see, so that neither totals nor pages tell
anything of other people's studies. The same study from two origins is one result: the first row that fits says what
is said of it, the counts are of all its visible rows together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from dicomweb.attributes import TABLES, Found, Level
from dicomweb.parameters import Search
from worklist.access import Viewer, sees_study
from worklist.models import Instance, Series, Study

Row = tuple[Study, Series | None, Instance | None]

IDENTITY: Final[dict[Level, tuple[ColumnElement[Any], ...]]] = {
    Level.STUDY: (Study.study_uid.expression,),
    Level.SERIES: (Study.study_uid.expression, Series.series_uid.expression),
    Level.INSTANCE: (Study.study_uid.expression, Series.series_uid.expression, Instance.sop_uid.expression),
}
"""What makes two rows the same result."""

ORDER: Final[tuple[ColumnElement[Any], ...]] = (
    Study.study_date.desc(),
    Study.study_time.desc(),
    Study.study_uid.asc(),
    Series.number.asc().nulls_last(),
    Series.series_uid.asc(),
    Instance.number.asc().nulls_last(),
    Instance.sop_uid.asc(),
)
"""A total order; a search uses the first three, five or all of it."""

_ORDERED: Final = {Level.STUDY: 3, Level.SERIES: 5, Level.INSTANCE: 7}


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the path that narrows a search."""

    study_uid: str = ""
    series_uid: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The results asked for, and how many more there are after them."""

    found: tuple[Found, ...]
    remaining: int


@dataclass(slots=True)
class _Totals:
    """What is counted below one study."""

    series: dict[str, int] = field(default_factory=dict)
    modalities: set[str] = field(default_factory=set)
    sop_classes: set[str] = field(default_factory=set)
    instances: int = 0


def search_rows(session: Session, viewer: Viewer, search: Search, scope: Scope, base_url: str) -> Page:
    """Answer one search."""
    fitting = _fitting(viewer, search, scope)
    rows = _page(session, search, fitting) if search.limit else []
    remaining = 0
    if len(rows) == search.limit:
        total = session.scalar(select(func.count()).select_from(fitting.subquery())) or 0
        remaining = max(0, total - search.offset - len(rows))
    totals = _totals(session, viewer, search, {study.study_uid for study, _, _ in rows})
    return Page(tuple(_found(row, search.level, totals, base_url) for row in rows), remaining)


def _fitting(viewer: Viewer, search: Search, scope: Scope) -> Select[int]:
    """Select the first visible row of each result."""
    target = TABLES[search.level]
    path = [Study.study_uid == scope.study_uid] if scope.study_uid else []
    path += [Series.series_uid == scope.series_uid] if scope.series_uid else []
    first = select(func.min(target.id)).select_from(Study)
    if search.level >= Level.SERIES:
        first = first.join(Series, Series.study_id == Study.id)
    if search.level is Level.INSTANCE:
        first = first.join(Instance, Instance.series_id == Series.id)
    return first.where(sees_study(viewer), *path, *search.conditions).group_by(*IDENTITY[search.level])


def _page(session: Session, search: Search, fitting: Select[int]) -> list[Row]:
    order = ORDER[: _ORDERED[search.level]]
    chosen = TABLES[search.level].id.in_(fitting)
    if search.level is Level.STUDY:
        studies = select(Study).where(chosen).order_by(*order).limit(search.limit).offset(search.offset)
        return [(study, None, None) for study in session.scalars(studies)]
    if search.level is Level.SERIES:
        both = select(Study, Series).join(Series, Series.study_id == Study.id).where(chosen).order_by(*order)
        return [(a, b, None) for a, b in session.execute(both.limit(search.limit).offset(search.offset))]
    three = select(Study, Series, Instance).join(Series, Series.study_id == Study.id)
    three = three.join(Instance, Instance.series_id == Series.id).where(chosen).order_by(*order)
    return [(a, b, c) for a, b, c in session.execute(three.limit(search.limit).offset(search.offset))]


def _totals(session: Session, viewer: Viewer, search: Search, uids: set[str]) -> dict[str, _Totals]:
    """Count below the studies of a page, over all of their visible rows."""
    totals = {uid: _Totals() for uid in uids}
    visible = (sees_study(viewer), Study.study_uid.in_(uids))
    if uids:
        _count_series(session, visible, totals)
        _count_instances(session, visible, totals)
    if uids and ("00080062" in search.include or search.include_all):
        _name_classes(session, visible, totals)
    return totals


def _count_series(session: Session, visible: Sequence[ColumnElement[bool]], totals: dict[str, _Totals]) -> None:
    instances = func.count(Instance.sop_uid.distinct())
    counted = (
        select(Study.study_uid, Series.series_uid, func.max(Series.modality), instances)
        .join(Series, Series.study_id == Study.id)
        .outerjoin(Instance, Instance.series_id == Series.id)
        .where(*visible)
        .group_by(Study.study_uid, Series.series_uid)
    )
    for study_uid, series_uid, modality, number in session.execute(counted):
        totals[study_uid].series[series_uid] = number
        totals[study_uid].modalities |= {modality} - {""}


def _count_instances(session: Session, visible: Sequence[ColumnElement[bool]], totals: dict[str, _Totals]) -> None:
    counted = (
        select(Study.study_uid, func.count(Instance.sop_uid.distinct()))
        .join(Instance, Instance.study_id == Study.id)
        .where(*visible)
        .group_by(Study.study_uid)
    )
    for study_uid, number in session.execute(counted):
        totals[study_uid].instances = number


def _name_classes(session: Session, visible: Sequence[ColumnElement[bool]], totals: dict[str, _Totals]) -> None:
    named = select(Study.study_uid, Instance.sop_class_uid).join(Instance, Instance.study_id == Study.id)
    for study_uid, sop_class_uid in session.execute(named.where(*visible).distinct()):
        totals[study_uid].sop_classes.add(sop_class_uid)


def _found(row: Row, level: Level, totals: dict[str, _Totals], base_url: str) -> Found:
    study, series, instance = row
    below = totals[study.study_uid]
    return Found(
        level,
        study,
        series,
        instance,
        number_of_series=len(below.series),
        number_of_instances=below.instances,
        number_in_series=below.series.get(series.series_uid, 0) if series else 0,
        modalities=tuple(sorted(below.modalities)),
        sop_classes=tuple(sorted(below.sop_classes)),
        retrieve_url=_retrieve_url(base_url, row),
    )


def _retrieve_url(base_url: str, row: Row) -> str:
    study, series, instance = row
    parts: Iterable[str] = (
        f"{base_url}/studies/{study.study_uid}",
        *([f"series/{series.series_uid}"] if series else []),
        *([f"instances/{instance.sop_uid}"] if instance else []),
    )
    return "/".join(parts)
