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
