"""What the receiver refused of a study and was not sent again with more success: images that no reader has seen.

Asked anew each time, so that it is gone as soon as the sender's own retry has succeeded. Only what came from the
study's own origin counts: nobody can put a remark on somebody else's case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, and_, not_, select
from sqlalchemy.orm import Session

from worklist.completeness import Kind, Remark
from worklist.history import shared_reason
from worklist.models import Case, CaseStudy, Instance, Study, Trouble
from worklist.states import TroubleKind


def refused_of(session: Session, case: Case) -> Mapping[int, Sequence[Remark]]:
    """The images that were refused, by the study's id: a remark for each series and reason, each image once."""
    chosen = (
        select(Study.id, Trouble.sop_uid, Trouble.series_uid, Trouble.reason)
        .join(Study, and_(Study.origin == Trouble.origin, Study.study_uid == Trouble.study_uid))
        .join(CaseStudy, CaseStudy.study_id == Study.id)
        .where(CaseStudy.case_id == case.id, Trouble.kind == TroubleKind.REFUSED, not_(came_later()))
        .order_by(Trouble.received_at, Trouble.id)
    )
    last = {(study_id, sop_uid): said for study_id, sop_uid, *said in session.execute(chosen)}
    counts = Counter(
        (study_id, uid, shared_reason(TroubleKind.REFUSED, reason)) for (study_id, _), (uid, reason) in last.items()
    )
    found: dict[int, list[Remark]] = {}
    for (study_id, series_uid, reason), count in counts.items():
        found.setdefault(study_id, []).append(Remark(Kind.REFUSED, count, series_uid, reason=reason))
    return found


def came_later() -> ColumnElement[bool]:
    """Whether the object of a row of `Trouble` is in its study after all."""
    same = and_(Study.origin == Trouble.origin, Study.study_uid == Trouble.study_uid)
    there = select(Instance.id).join(Study, Study.id == Instance.study_id)
    return there.where(same, Instance.sop_uid == Trouble.sop_uid).correlate(Trouble).exists()
