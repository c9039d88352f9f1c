"""Images in a study that carry another patient's identity than it, because a coordinator accepted them: readers know.

Asked anew each time, so that it is said as long as they are in the study, and no longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from worklist.completeness import Kind, Remark
from worklist.cut_off import cut_remarks
from worklist.models import Case, CaseStudy, Study, Trouble
from worklist.refusals import came_later, refused_of
from worklist.troubles import Decision


def decided_of(session: Session, case: Case) -> Mapping[int, Sequence[Remark]]:
    """What was refused of the case's studies, accepted into them though it names another patient, or cut off."""
    found = (refused_of(session, case), strangers_of(session, case), cut_remarks(session, case))
    studies = {study_id for one in found for study_id in one}
    return {each: tuple(remark for one in found for remark in one.get(each, ())) for each in studies}


def strangers_of(session: Session, case: Case) -> Mapping[int, Sequence[Remark]]:
    """By the study's id, a remark for each way in which they differ and each decision; of an image the last counts."""
    said = (Trouble.contradicts, Trouble.resolved_at)
    chosen = (
        select(Study.id, Trouble.sop_uid, *said)
        .join(Study, and_(Study.origin == Trouble.origin, Study.study_uid == Trouble.study_uid))
        .join(CaseStudy, CaseStudy.study_id == Study.id)
        .where(CaseStudy.case_id == case.id, Trouble.decision == Decision.ACCEPTED, came_later())
        .order_by(Trouble.resolved_at, Trouble.id)
    )
    last = {(study_id, sop_uid): (what, at) for study_id, sop_uid, what, at in session.execute(chosen)}
    counts = Counter((study_id, what, at) for (study_id, _), (what, at) in last.items() if what)
    found: dict[int, list[Remark]] = {}
    for (study_id, what, at), count in counts.items():
        accepted = at.isoformat() if at else ""
        found.setdefault(study_id, []).append(Remark(Kind.STRANGERS, count, reason=what, at=accepted))
    return found
