"""What happened to images of a case, as lines of its history: written in the transaction in which it happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklist.models import AuditLine, Case, CaseStudy, Study, Trouble
from worklist.states import TroubleKind

KEPT_ASIDE: Final = "quarantine: kept aside"
REFUSED_AT_THE_DOOR: Final = "refused at the door"
IMAGE_REPLACED: Final = "image replaced"
ACTIONS: Final[dict[str, str]] = {TroubleKind.QUARANTINED: KEPT_ASIDE, TroubleKind.REFUSED: REFUSED_AT_THE_DOOR}


def tell(session: Session, origin: str, study_uid: str, action: str, detail: str, person_id: int | None = None) -> int:
    """Leave a line with every case that this study of this origin belongs to; answer with how many there are."""
    cases = cases_of(session, origin, study_uid)
    for case_id in cases:
        session.add(AuditLine(person_id=person_id, action=action, case_id=case_id, detail=detail))
    return len(cases)


def cases_of(session: Session, origin: str, study_uid: str) -> list[int]:
    """The cases with this study; of an upload, the request into which it went, though none of it was taken."""
    chosen = select(CaseStudy.case_id).join(Study, Study.id == CaseStudy.study_id)
    found = set(session.scalars(chosen.where(Study.origin == origin, Study.study_uid == study_uid)))
    owner, _, number = origin.partition(":")
    if owner == "case" and session.get(Case, int(number)) is not None:
        found.add(int(number))
    return sorted(found)


def tell_what_was_before(session: Session, case: Case, study: Study) -> None:
    """Let the history of a new case begin with what was refused or kept aside of its study until then."""
    session.add_all(_before(session, case.id, study))


def _before(session: Session, case_id: int, study: Study) -> Iterator[AuditLine]:
    what = (Trouble.kind, Trouble.reason, Trouble.decision, Trouble.decided_by, Trouble.answer)
    chosen = select(*what).where(
        Trouble.origin == study.origin, Trouble.study_uid == study.study_uid, Trouble.kind.in_(ACTIONS)
    )
    rows = session.execute(chosen.order_by(Trouble.id))
    counts = Counter(
        (kind, shared_reason(kind, reason), decision, person_id, answer)
        for kind, reason, decision, person_id, answer in rows
    )
    for (kind, reason, decision, person_id, answer), count in counts.items():
        yield AuditLine(action=ACTIONS[kind], case_id=case_id, detail=of_study(count, study.study_uid, reason))
        if decision:
            detail = of_study(count, study.study_uid, answer or reason)
            yield AuditLine(person_id=person_id, action=f"quarantine: {decision}", case_id=case_id, detail=detail)


def shared_reason(kind: str, reason: str) -> str:
    """A reason as several objects share it: of a refusal without where in the object the fault is."""
    return reason.partition(" (")[0] if kind == TroubleKind.REFUSED else reason


def of_study(count: int, study_uid: str, why: str) -> str:
    """3 of study 1.2.3: why."""
    return f"{count} of study {study_uid}: {why}"
