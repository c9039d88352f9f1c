"""The same study from another origin: said to whoever reads or oversees, so that nobody takes one for the other."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.portal.case_lines import sender
from worklist.access import Viewer, sees_case
from worklist.models import Case, CaseStudy, Study
from worklist.states import Role


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Somebody else sent a study under the same Study Instance UID.

    `cases` are those of the others that this person may see, each with its sender; of the rest only the fact is told.
    """

    cases: tuple[tuple[int, str], ...]


def elsewhere(session: Session, case: Case, who: Viewer) -> Elsewhere | None:
    """Who else sent a study of this case; None if nobody did, or if it is not for this person to know."""
    if not (who.oversees or Role.READER in who.roles):
        return None
    same = select(Study.id).where(
        Study.study_uid.in_([study.study_uid for study in case.studies]),
        Study.id.not_in([study.id for study in case.studies]),
    )
    if session.scalar(same.limit(1)) is None:
        return None
    theirs = select(CaseStudy.case_id).where(CaseStudy.study_id.in_(same))
    others = session.scalars(select(Case).where(Case.id.in_(theirs), sees_case(who)).order_by(Case.id))
    return Elsewhere(tuple((other.id, sender(other)) for other in others))
