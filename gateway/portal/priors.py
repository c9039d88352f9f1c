"""Which earlier study of the patient stands beside that of a case in the viewer."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklist.access import Sight, Viewer, sees_study
from worklist.models import Case, Study

MOST = 50


def newest_prior(session: Session, who: Viewer, case: Case) -> str:
    """The newest study that this person sees below the case and that is not of it, one of the same kind first.

    Its Study Instance UID; "" if there is none.
    """
    own = {study.id for study in case.studies}
    if not own:
        return ""
    kinds = {modality for study in case.studies for modality in _modalities(study)}
    newest_first = (
        select(Study)
        .where(sees_study(Sight(who, case.id)), Study.id.not_in(own))
        .order_by(Study.study_date.desc(), Study.id.desc())
        .limit(MOST)
    )
    found = [study for study in session.scalars(newest_first) if _modalities(study)]
    same_kind = (study for study in found if kinds & _modalities(study))
    chosen = next(same_kind, found[0] if found else None)
    return chosen.study_uid if chosen is not None else ""


def _modalities(study: Study) -> set[str]:
    """What others made of the patient; our own reports are no images."""
    return {series.modality for series in study.series if not series.ours and series.made_by is None}
