"""Where a reader may put what they made of the images: into the studies of the cases that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, true
from sqlalchemy.orm import Session

from worklist.access import Sight, Viewer, sees_study
from worklist.cases import HELD
from worklist.models import Case, CaseStudy, Instance, Series, Study
from worklist.states import Role


@dataclass(frozen=True, slots=True)
class Place:
    """One study of a case that the reader holds."""

    study_id: int
    origin: str
    study_uid: str
    patient_id: str


def places(session: Session, sight: Sight) -> Sequence[Place]:
    """Return the studies in sight of the cases that this person holds as their reader."""
    if Role.READER not in sight.viewer.roles:
        return ()
    held = (
        select(Study.id, Study.origin, Study.study_uid, Study.patient_id)
        .join(CaseStudy, CaseStudy.study_id == Study.id)
        .join(Case, Case.id == CaseStudy.case_id)
        .where(Case.reader_id == sight.viewer.person_id, Case.state.in_(HELD), sees_study(sight))
        .where(true() if sight.case_id is None else Case.id == sight.case_id)
    )
    return [Place(*row) for row in session.execute(held)]


def may_save(case: Case, who: Viewer) -> bool:
    """Whether this person may save into the studies of the case now."""
    return Role.READER in who.roles and case.reader_id == who.person_id and case.state in HELD


def makers_of_series(session: Session, study_id: int, series_uid: str) -> set[int | None]:
    """Return who made this series of a study: nobody yet (empty), a reader, or None for whoever sent it."""
    rows = select(Series.made_by).where(Series.study_id == study_id, Series.series_uid == series_uid)
    return set(session.scalars(rows))


def digest_of(session: Session, study_id: int, sop_uid: str) -> str | None:
    """Return the SHA-256 of the data set that we hold under this UID, None if there is none."""
    rows = select(Instance.sha256).where(Instance.study_id == study_id, Instance.sop_uid == sop_uid)
    return session.scalars(rows).one_or_none()
