"""Which earlier study of the patient stands beside that of a case in the viewer."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from worklist.access import Sight, Viewer, sees_study
from worklist.models import Case, Study

MOST = 50


def newest_prior(session: Session, who: Viewer, case: Case) -> Study | None:
    """The newest study that this person sees below the case and that is not of it; None if there is none.

    One of the same kind goes first, and one that is not later than those of the case.
    """
    own = {study.id for study in case.studies}
    if not own:
        return None
    kinds = {modality for study in case.studies for modality in _modalities(study)}
    newest_first = (
        select(Study)
        .where(sees_study(Sight(who, case.id)), Study.id.not_in(own))
        .order_by(Study.study_date.desc(), Study.id.desc())
        .limit(MOST)
        .options(selectinload(Study.series))
    )
    found = [study for study in session.scalars(newest_first) if _modalities(study)]
    fitting = sorted(found, key=lambda study: (not kinds & _modalities(study), is_later(study.study_date, case)))
    return fitting[0] if fitting else None


def is_later(day: str, case: Case) -> bool:
    """Whether something of this day (DICOM DA, "" if unknown) was examined after all studies of the case."""
    newest = max((study.study_date for study in case.studies), default="")
    return bool(newest) and day > newest


def _modalities(study: Study) -> set[str]:
    """What others made of the patient; our own reports are no images."""
    return {series.modality for series in study.series if not series.ours and series.made_by is None}
