"""What a search result says: its row, those above it, and what is counted below its study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, selectinload

from dicomweb.attributes import Found, Level
from dicomweb.searching import Hit
from worklist.models import Instance, Series, Study

AT_ONCE: Final = 500
"""Rows that are asked for in one statement."""


@dataclass(slots=True)
class _Totals:
    """What is counted below one study."""

    series: dict[int, int] = field(default_factory=dict)
    modalities: set[str] = field(default_factory=set)
    sop_classes: set[str] = field(default_factory=set)

    @property
    def instances(self) -> int:
        return sum(self.series.values())


def look_up(
    session: Session, level: Level, hits: Sequence[Hit], base_url: str, *, with_classes: bool, sent: bool = False
) -> Iterable[tuple[Hit, Found]]:
    """Read what the hits of one search say, in their order. `with_classes`: SOP Classes in Study, too, which cost.

    `sent`: count only what was sent to us, not what was made here.
    """
    for first in range(0, len(hits), AT_ONCE):
        some = hits[first : first + AT_ONCE]
        rows = _rows(session, level, some)
        totals = _totals(session, {hit.study: hit.papers for hit in some}, with_classes=with_classes, sent=sent)
        for hit in some:
            yield hit, _found(rows, hit, level, totals[hit.study], base_url)


Conditions = Sequence[ColumnElement[bool]]

Rows = tuple[dict[int, Study], dict[int, Series], dict[int, Instance]]
"""By their ids."""


def _rows(session: Session, level: Level, hits: Iterable[Hit]) -> Rows:
    studies = session.scalars(select(Study).where(Study.id.in_({hit.study for hit in hits})))
    series = instances = None
    if level >= Level.SERIES:
        several = select(Series).where(Series.id.in_({hit.series for hit in hits}))
        series = session.scalars(several.options(selectinload(Series.requests)))
    if level is Level.INSTANCE:
        instances = session.scalars(select(Instance).where(Instance.id.in_({hit.instance for hit in hits})))
    return (
        {row.id: row for row in studies},
        {row.id: row for row in series or ()},
        {row.id: row for row in instances or ()},
    )


def _totals(session: Session, studies: Mapping[int, bool], *, with_classes: bool, sent: bool) -> dict[int, _Totals]:
    """Count below studies, given with whether their working papers count."""
    totals = {study: _Totals() for study in studies}
    with_papers = {study for study, papers in studies.items() if papers}
    with_papers_of = or_(Series.made_by.is_(None), Series.study_id.in_(with_papers))
    counts = Series.ours.is_(False) if sent else with_papers_of
    _count_series(session, totals, counts)
    if with_classes:
        _name_classes(session, totals, counts)
    return totals


def _count_series(session: Session, totals: dict[int, _Totals], counts: ColumnElement[bool]) -> None:
    counted = (
        select(Series.study_id, Series.id, Series.modality, func.count(Instance.id))
        .outerjoin(Instance, Instance.series_id == Series.id)
        .where(Series.study_id.in_(totals), counts)
        .group_by(Series.id)
    )
    for study, series, modality, number in session.execute(counted):
        totals[study].series[series] = number
        totals[study].modalities |= {modality} - {""}


def _name_classes(session: Session, totals: dict[int, _Totals], counts: ColumnElement[bool]) -> None:
    named = select(Instance.study_id, Instance.sop_class_uid).join(Series, Series.id == Instance.series_id)
    for study, sop_class_uid in session.execute(named.where(Instance.study_id.in_(totals), counts).distinct()):
        totals[study].sop_classes.add(sop_class_uid)


def _found(rows: Rows, hit: Hit, level: Level, below: _Totals, base_url: str) -> Found:
    studies, several, instances = rows
    study = studies[hit.study]
    series = several[hit.series] if hit.series is not None else None
    instance = instances[hit.instance] if hit.instance is not None else None
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
        retrieve_url=_retrieve_url(base_url, study, series, instance),
    )


def _retrieve_url(base_url: str, study: Study, series: Series | None, instance: Instance | None) -> str:
    parts = (
        f"{base_url}/studies/{study.study_uid}",
        *([f"series/{series.series_uid}"] if series else []),
        *([f"instances/{instance.sop_uid}"] if instance else []),
    )
    return "/".join(parts)
