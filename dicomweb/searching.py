"""A search in our own rows, with the person's rights inside the SQL.

What the database counts, orders and cuts is only what is in sight, so that neither totals nor pages tell anything of
other people's studies. The same study from two origins is one result: that of the row which `worklist.access` chose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from dicomweb.attributes import Found, Level
from dicomweb.parameters import Search
from worklist.access import Sight, sees_study
from worklist.models import Instance, Series, Study

Row = tuple[Study, Series | None, Instance | None]

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

TABLES_DOWN_TO: Final[dict[Level, tuple[type[Study] | type[Series] | type[Instance], ...]]] = {
    Level.STUDY: (Study,),
    Level.SERIES: (Study, Series),
    Level.INSTANCE: (Study, Series, Instance),
}
"""What is read of one result."""

_NOTHING_BELOW: Final = {Level.STUDY: (None, None), Level.SERIES: (None,), Level.INSTANCE: ()}


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

    series: dict[int, int] = field(default_factory=dict)
    modalities: set[str] = field(default_factory=set)
    sop_classes: set[str] = field(default_factory=set)

    @property
    def instances(self) -> int:
        return sum(self.series.values())


def search_rows(session: Session, sight: Sight, search: Search, scope: Scope, base_url: str) -> Page:
    """Answer one search."""
    fitting = _fitting(sight, search, scope)
    rows = _page(session, search, fitting) if search.limit else []
    remaining = 0
    if len(rows) == search.limit:
        total = session.scalar(fitting.with_only_columns(func.count(), maintain_column_froms=True)) or 0
        remaining = max(0, total - search.offset - len(rows))
    totals = _totals(session, search, {study.id for study, _, _ in rows})
    return Page(tuple(_found(row, search.level, totals, base_url) for row in rows), remaining)


def _fitting(sight: Sight, search: Search, scope: Scope) -> Select[*tuple[Any, ...]]:
    """Select the rows of the results: a result is one row of its level, below the one row of its study."""
    path = [Study.study_uid == scope.study_uid] if scope.study_uid else []
    path += [Series.series_uid == scope.series_uid] if scope.series_uid else []
    rows = select(*TABLES_DOWN_TO[search.level]).select_from(Study)
    if search.level >= Level.SERIES:
        rows = rows.join(Series, Series.study_id == Study.id)
    if search.level is Level.INSTANCE:
        rows = rows.join(Instance, Instance.series_id == Series.id)
    return rows.where(sees_study(sight), *path, *search.conditions)


def _page(session: Session, search: Search, fitting: Select[*tuple[Any, ...]]) -> list[Row]:
    order = ORDER[: _ORDERED[search.level]]
    page = session.execute(fitting.order_by(*order).limit(search.limit).offset(search.offset))
    return [(row[0], *row[1:], *_NOTHING_BELOW[search.level]) for row in page]


def _totals(session: Session, search: Search, studies: set[int]) -> dict[int, _Totals]:
    """Count below the studies of a page."""
    totals = {study: _Totals() for study in studies}
    if studies:
        _count_series(session, totals)
    if studies and ("00080062" in search.include or search.include_all):
        _name_classes(session, totals)
    return totals


def _count_series(session: Session, totals: dict[int, _Totals]) -> None:
    counted = (
        select(Series.study_id, Series.id, Series.modality, func.count(Instance.id))
        .outerjoin(Instance, Instance.series_id == Series.id)
        .where(Series.study_id.in_(totals))
        .group_by(Series.id)
    )
    for study, series, modality, number in session.execute(counted):
        totals[study].series[series] = number
        totals[study].modalities |= {modality} - {""}


def _name_classes(session: Session, totals: dict[int, _Totals]) -> None:
    named = select(Instance.study_id, Instance.sop_class_uid).where(Instance.study_id.in_(totals)).distinct()
    for study, sop_class_uid in session.execute(named):
        totals[study].sop_classes.add(sop_class_uid)


def _found(row: Row, level: Level, totals: dict[int, _Totals], base_url: str) -> Found:
    study, series, instance = row
    below = totals[study.id]
    return Found(
        level,
        study,
        series,
        instance,
        number_of_series=len(below.series),
        number_of_instances=below.instances,
        number_in_series=below.series.get(series.id, 0) if series else 0,
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
