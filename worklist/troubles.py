"""What was refused or kept aside, and what a coordinator decides about it.

An object that was kept aside lies sealed in the quarantine until somebody accepts it (it goes the way of an arrival
again, and this time passes) or rejects it (it stays where it is, and its sender is told why). The first one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, literal, not_, or_, select, update
from sqlalchemy.orm import Session

from worklist.access import Viewer
from worklist.history import of_study, tell
from worklist.lifecycle import NotAllowed, NotFound, WrongState
from worklist.models import AuditLine, CaseStudy, Instance, Report, Series, Study, Trouble, now
from worklist.states import TroubleKind

SETTLING: Final = timedelta(seconds=30)
"""How long ingest may take with an object that went back into the inbox."""


class Decision(StrEnum):
    """What a coordinator said of an object. The values are stored."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Group:
    """Objects of one study that were kept aside for one reason, and name one patient: one decision may be for all.

    `contradicts`: how they differ from the study's patient ("another name"), "" where they do not.
    """

    first_id: int
    origin: str
    sender: str
    study_uid: str
    reason: str
    contradicts: str
    count: int
    first_at: datetime
    last_at: datetime


def groups(session: Session, most: int) -> Sequence[Group]:
    """What waits for a decision, the newest first."""
    chosen: Select[int, str, str, str, str, str, int, datetime, datetime] = (
        select(
            func.min(Trouble.id),
            Trouble.origin,
            Trouble.sender,
            Trouble.study_uid,
            Trouble.reason,
            Trouble.contradicts,
            func.count(),
            func.min(Trouble.received_at),
            func.max(Trouble.received_at),
        )
        .where(*_waiting())
        .group_by(
            Trouble.origin, Trouble.sender, Trouble.study_uid, Trouble.reason, Trouble.contradicts, Trouble.patient
        )
        .order_by(func.max(Trouble.received_at).desc())
        .limit(most)
    )
    return [Group(*row) for row in session.execute(chosen)]


def waiting_like(session: Session, one: Trouble) -> Sequence[Trouble]:
    """The objects that wait for the same decision, this one among them."""
    chosen = select(Trouble).where(*_waiting(), *_like(one))
    return session.scalars(chosen.order_by(Trouble.series_number, Trouble.instance_number, Trouble.id)).all()


def get(session: Session, who: Viewer, trouble_id: int) -> Trouble:
    """One object that was kept aside. Raises NotFound for whoever does not oversee."""
    found = session.get(Trouble, trouble_id) if who.oversees else None
    if found is None or found.kind != TroubleKind.QUARANTINED:
        raise NotFound("No such object is kept aside.")
    return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a coordinator says. `sure`: they have seen that what they accept names another patient than the study."""

    decision: Decision
    answer: str = ""
    all_like_it: bool = False
    sure: bool = False


def decide(session: Session, who: Viewer, one: Trouble, verdict: Verdict) -> int:
    """Decide about one object, or about all of its group; answer with how many.

    Raises WrongState if somebody was faster, NotAllowed where a signed report rests on what an accepted object would
    replace, or where nobody is sure that another patient's images belong here.
    """
    decision, answer = verdict.decision, verdict.answer
    if decision is Decision.ACCEPTED and one.contradicts and not verdict.sure:
        raise NotAllowed(f"It names another patient than the study ({one.contradicts}): confirm that you accept that.")
    if decision is Decision.ACCEPTED and signed_on(session, one.origin, one.sop_uid):
        raise NotAllowed(
            "A report was signed on the first version of this image, so it cannot be replaced. Ask the sender to send "
            "the changed image under a new SOP Instance UID (PS3.5 section 9), and reject this one."
        )
    which = [*_waiting(), *(_like(one) if verdict.all_like_it else (Trouble.id == one.id,))]
    if decision is Decision.ACCEPTED:  # of a group, only what no signature rests on
        which.append(not_(_signed_on(Trouble.origin.expression, Trouble.sop_uid.expression)))
    changed = session.scalars(
        update(Trouble)
        .where(*which)
        .values(decision=decision, decided_by=who.person_id, answer=answer, resolved_at=now())
        .returning(Trouble.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not changed:
        raise WrongState("Somebody else has decided about this object.")
    detail = of_study(len(changed), one.study_uid, answer or one.reason)
    action = f"quarantine: {decision}"
    if not tell(session, one.origin, one.study_uid, action, detail, who.person_id):  # of no case: still audited
        session.add(AuditLine(person_id=who.person_id, action=action, detail=detail))
    session.refresh(one)
    return len(changed)


def signed_on(session: Session, origin: str, sop_uid: str) -> bool:
    """Whether a report was signed on the version that is here of this very instance."""
    return bool(session.scalar(select(_signed_on(literal(origin), literal(sop_uid)))))


def rejected_before(session: Session, one: Trouble) -> str | None:
    """What the sender was last told of an object of the same UIDs that was rejected; None if none was."""
    same = (Trouble.origin == one.origin, Trouble.study_uid == one.study_uid, Trouble.sop_uid == one.sop_uid)
    chosen = select(Trouble.answer).where(*same, Trouble.decision == Decision.REJECTED)
    return session.scalars(chosen.order_by(Trouble.resolved_at.desc(), Trouble.id.desc()).limit(1)).first()


def being_replaced(session: Session, study_ids: Sequence[int]) -> bool:
    """Whether an accepted object is still on its way into one of these studies: nobody has seen it there."""
    on_its_way = or_(Trouble.carried_at.is_(None), Trouble.carried_at > now() - SETTLING)
    chosen = (
        select(Trouble.id)
        .join(Study, and_(Study.origin == Trouble.origin, Study.study_uid == Trouble.study_uid))
        .where(Study.id.in_(study_ids), Trouble.decision == Decision.ACCEPTED, on_its_way)
    )
    return session.scalars(chosen.limit(1)).first() is not None


def _signed_on(origin: ColumnElement[str], sop_uid: ColumnElement[str]) -> ColumnElement[bool]:
    """The evidence that was frozen says what a signature rests on: moments of arrival depend on how our clock went.

    What we made ourselves is in no evidence, and is nobody's to replace. A UID in quotes is a whole text of the JSON.
    """
    rests = cast(Report.content, Text).contains(literal('"') + sop_uid + literal('"'))
    chosen = (
        select(Report.id)
        .join(CaseStudy, CaseStudy.case_id == Report.case_id)
        .join(Study, Study.id == CaseStudy.study_id)
        .join(Instance, Instance.study_id == Study.id)
        .join(Series, Series.id == Instance.series_id)
        .where(Study.origin == origin, Instance.sop_uid == sop_uid, or_(Series.ours, rests))
    )
    return chosen.exists()


def accepted_keys(session: Session, keys: Sequence[str]) -> set[str]:
    """Those of the inbox's entries that a coordinator accepted: they pass whatever kept them aside."""
    chosen = select(Trouble.key).where(Trouble.key.in_(keys), Trouble.decision == Decision.ACCEPTED)
    return set(session.scalars(chosen))


def to_carry(session: Session, most: int) -> Sequence[Trouble]:
    """Accepted objects that have not gone back into the inbox yet."""
    chosen = select(Trouble).where(Trouble.decision == Decision.ACCEPTED, Trouble.carried_at.is_(None))
    return session.scalars(chosen.order_by(Trouble.id).limit(most)).all()


def carried(session: Session, ids: Sequence[int]) -> None:
    """Note that they went back; of what ingest has kept aside anew in the meantime, nothing went."""
    still = (Trouble.id.in_(ids), Trouble.decision == Decision.ACCEPTED)
    session.execute(update(Trouble).where(*still).values(carried_at=now()))


def _waiting() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Trouble.kind == TroubleKind.QUARANTINED, Trouble.resolved_at.is_(None)


def _like(one: Trouble) -> tuple[ColumnElement[bool], ...]:
    return (
        Trouble.origin == one.origin,
        Trouble.sender == one.sender,
        Trouble.study_uid == one.study_uid,
        Trouble.reason == one.reason,
        Trouble.contradicts == one.contradicts,
        Trouble.patient == one.patient,
    )
