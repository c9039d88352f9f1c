"""Studies during whose transfer the link was cut: whoever reads or sent them is told, until it has been made good.

Asked anew each time. It is made good by a later transfer of the study that came to its end, or when the sender's own
archive counts no more images than are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worklist.completeness import Kind, Remark
from worklist.models import Case, CutOff, Instance, Series, Study

MOST = 100


@dataclass(frozen=True, slots=True)
class Cut:
    """The last cut of a study's transfers: `after` so many images of it; `since` came afterwards.

    `missing` are the images that the sender's archive has besides those that are here, None if it was not asked.
    """

    sender: str
    at: datetime
    after: int
    since: int
    missing: int | None


@dataclass(frozen=True, slots=True)
class OpenCut:
    """A cut that was not made good; `study` is None while no image of it is here, `cut.after` is 0 in its first one."""

    origin: str
    study: Study | None
    cut: Cut


def open_cuts(session: Session, since: datetime) -> list[OpenCut]:
    """The last cut of each study after that moment, newest first.

    Of a first image that was cut before it said its study, nobody can know whether it came later.
    """
    rows = session.scalars(select(CutOff).where(CutOff.mended_at.is_(None), CutOff.at > since).order_by(CutOff.at))
    last = {(row.origin, row.study_uid, "" if row.study_uid else row.sender): row for row in rows}
    uids = {row.study_uid for row in last.values()}
    studies = {
        (one.origin, one.study_uid): one for one in session.scalars(select(Study).where(Study.study_uid.in_(uids)))
    }
    found = [
        OpenCut(row.origin, study, _cut(session, study, row) if study else Cut(row.sender, row.at, row.images, 0, None))
        for row in sorted(last.values(), key=lambda row: row.at, reverse=True)[:MOST]
        for study in [studies.get((row.origin, row.study_uid))]
    ]
    return [one for one in found if one.cut.missing != 0]


def cuts_of(session: Session, studies: Iterable[Study]) -> Mapping[int, Cut]:
    """By the study's id, those whose last cut was not made good."""
    asked = {(one.origin, one.study_uid): one for one in studies}
    uids = {uid for _, uid in asked}
    rows = select(CutOff).where(CutOff.study_uid.in_(uids), CutOff.mended_at.is_(None)).order_by(CutOff.at)
    last = {key: row for row in session.scalars(rows) if (key := (row.origin, row.study_uid)) in asked}
    found = {asked[key].id: _cut(session, asked[key], row) for key, row in last.items()}
    return {study_id: one for study_id, one in found.items() if one.missing != 0}


def cut_remarks(session: Session, case: Case) -> Mapping[int, Sequence[Remark]]:
    """A remark for each study of the case whose transfer was cut, by the study's id."""
    found = cuts_of(session, case.studies)
    return {
        study_id: [Remark(Kind.CUT, one.missing or 0, first=one.after, of=one.since, at=one.at.isoformat())]
        for study_id, one in found.items()
    }


def _cut(session: Session, study: Study, row: CutOff) -> Cut:
    here, since = session.execute(
        select(func.count(), func.count().filter(Instance.received_at > row.at))
        .select_from(Instance)
        .join(Series, Series.id == Instance.series_id)
        .where(Instance.study_id == study.id, Series.ours.is_(False))
    ).one()
    counted = study.expected is not None and study.asked_version == study.version
    return Cut(row.sender, row.at, row.images, since, max(0, (study.expected or 0) - here) if counted else None)
