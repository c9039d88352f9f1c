"""Who may do what to a case, when: one table, and the only functions that change a case's state.

The database decides races: the old state stands in the WHERE clause, and one row changed or somebody else was first.
Every move writes its audit line in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, or_, true, update
from sqlalchemy.orm import Session

from worklist.access import Viewer
from worklist.added import replaced_now, version_now
from worklist.models import AuditLine, Case, now
from worklist.states import CaseState, Role

S = CaseState


class Action(StrEnum):
    """What can be done to a case."""

    SUBMIT = "submit"
    OPEN = "open"
    REROUTE = "reroute"
    CLAIM = "claim"
    RELEASE = "release"
    HOLD = "hold"
    RESUME = "resume"
    ASSIGN = "assign"
    SIGN = "sign"
    DELIVER = "deliver"
    WITHDRAW = "withdraw"
    CANCEL = "cancel"


class Part(StrEnum):
    """What somebody is to one case."""

    SYSTEM = "Overread itself"
    OWNER = "the patient whose case it is"
    SUBSPECIALIST = "a reader of the case's subspecialty"
    HOLDER = "the reader who holds it"
    COORDINATOR = "a coordinator"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table: from which states to which, by whom."""

    before: frozenset[CaseState]
    after: CaseState
    by: frozenset[Part]


def _step(before: set[CaseState], after: CaseState, by: set[Part]) -> Step:
    return Step(frozenset(before), after, frozenset(by))


STEPS: Mapping[Action, Step] = {
    Action.SUBMIT: _step({S.DRAFT}, S.AWAITING_IMAGES, {Part.OWNER}),
    Action.OPEN: _step({S.AWAITING_IMAGES}, S.READY, {Part.SYSTEM}),
    Action.REROUTE: _step({S.READY}, S.READY, {Part.SYSTEM}),
    Action.CLAIM: _step({S.READY}, S.CLAIMED, {Part.SUBSPECIALIST}),
    Action.RELEASE: _step({S.CLAIMED, S.ON_HOLD}, S.READY, {Part.HOLDER, Part.COORDINATOR}),
    Action.HOLD: _step({S.CLAIMED}, S.ON_HOLD, {Part.HOLDER}),
    Action.RESUME: _step({S.ON_HOLD}, S.CLAIMED, {Part.HOLDER}),
    Action.ASSIGN: _step({S.READY}, S.READY, {Part.COORDINATOR}),
    Action.SIGN: _step({S.CLAIMED}, S.SIGNED, {Part.HOLDER}),
    Action.DELIVER: _step({S.SIGNED}, S.DELIVERED, {Part.SYSTEM}),
    Action.WITHDRAW: _step({S.DRAFT, S.AWAITING_IMAGES, S.READY}, S.CANCELLED, {Part.OWNER}),
    Action.CANCEL: _step({S.DRAFT, S.AWAITING_IMAGES, S.READY, S.CLAIMED, S.ON_HOLD}, S.CANCELLED, {Part.COORDINATOR}),
}

IS: Mapping[CaseState, str] = {
    S.DRAFT: "is still being written",
    S.AWAITING_IMAGES: "waits for its images",
    S.READY: "waits for a reader",
    S.CLAIMED: "is being read",
    S.ON_HOLD: "is on hold",
    S.SIGNED: "is signed already",
    S.DELIVERED: "is signed and delivered already",
    S.CANCELLED: "was cancelled",
}
DONE: Mapping[Action, str] = {
    Action.SUBMIT: "handed in",
    Action.OPEN: "put on a worklist",
    Action.REROUTE: "put on another worklist",
    Action.CLAIM: "claimed",
    Action.RELEASE: "given back",
    Action.HOLD: "put on hold",
    Action.RESUME: "resumed",
    Action.ASSIGN: "assigned to a subspecialty",
    Action.SIGN: "signed",
    Action.DELIVER: "called delivered",
    Action.WITHDRAW: "withdrawn",
    Action.CANCEL: "cancelled",
}
"""What a case is, and what cannot be done to it then, in a sentence for whoever tried."""

TRANSITIONS: Mapping[CaseState, frozenset[CaseState]] = {
    state: frozenset(step.after for step in STEPS.values() if state in step.before) for state in CaseState
}


class NotFound(Exception):
    """No such case, or none that this person may know of: they look the same."""


class NotAllowed(Exception):
    """This person may see the case, but not do this to it. Do not try again."""


class WrongState(Exception):
    """The case is not (any more) in a state in which this can be done: somebody else was first."""


class NoImages(WrongState):
    """A request without images cannot be handed in; the message says what to do first."""


def parts_of(who: Viewer | None, case: Case) -> frozenset[Part]:
    """Everything that somebody is to a case; nobody in particular is Overread itself."""
    if who is None:
        return frozenset({Part.SYSTEM})
    holds = {
        Part.OWNER: case.patient_id == who.person_id,
        Part.SUBSPECIALIST: Role.READER in who.roles and case.subspecialty in who.subspecialties,
        Part.HOLDER: case.reader_id == who.person_id,
        Part.COORDINATOR: who.oversees,
    }
    return frozenset(part for part, true_of in holds.items() if true_of)


def possible(who: Viewer, case: Case) -> frozenset[Action]:
    """What this person can do to the case now (what a page offers)."""
    parts = parts_of(who, case)
    return frozenset(action for action, step in STEPS.items() if case.state in step.before and step.by & parts)


def submit(session: Session, case: Case, who: Viewer) -> None:
    """A patient hands the request in; it now waits for its images to be complete."""
    _move(session, case, Action.SUBMIT, who)


def open_case(session: Session, case: Case, **routed: Any) -> None:
    """The images are complete: the case goes onto the worklist with what the routing rules said."""
    _move(session, case, Action.OPEN, None, ready_at=now(), **routed)


def reroute(session: Session, case: Case, detail: str, **routed: Any) -> None:
    """The request changed while nobody reads the case, and the routing rules say something else of it now."""
    _move(session, case, Action.REROUTE, None, detail=detail, **routed)


def claim(session: Session, case: Case, who: Viewer) -> None:
    """Give the case to one reader. Of two who claim at once exactly one succeeds; the other gets WrongState."""
    _move(session, case, Action.CLAIM, who, reader_id=who.person_id, claimed_at=now(), claimed_version=version_now(),
          claimed_replaced=replaced_now())  # fmt: skip


def release(session: Session, case: Case, who: Viewer, reason: str) -> None:
    """Hand the case back to the worklist; what was written stays as its draft."""
    _move(session, case, Action.RELEASE, who, detail=reason, reader_id=None, claimed_at=None, claimed_version=None,
          claimed_replaced=None, hold_reason="")  # fmt: skip


def hold(session: Session, case: Case, who: Viewer, reason: str) -> None:
    """Stop, because something is missing; the reason is shown to coordinator and requester."""
    _move(session, case, Action.HOLD, who, detail=reason, hold_reason=reason)


def resume(session: Session, case: Case, who: Viewer) -> None:
    """Go on with a case that was on hold."""
    _move(session, case, Action.RESUME, who, hold_reason="")


def assign(session: Session, case: Case, who: Viewer, subspecialty: str, why: str) -> None:
    """A coordinator decides the subspecialty; the case says that a person did and why."""
    _move(session, case, Action.ASSIGN, who, detail=why, subspecialty=subspecialty, routed_by="coordinator",
          routed_why=why)  # fmt: skip


def sign(session: Session, case: Case, who: Viewer, at: datetime) -> None:
    """Freeze the opinion, signed at that moment. The caller writes the report's row in the same transaction."""
    _move(session, case, Action.SIGN, who, signed_at=at)


def deliver(session: Session, case: Case) -> None:
    """Every destination has proof."""
    _move(session, case, Action.DELIVER, None, delivered_at=now())


def withdraw(session: Session, case: Case, who: Viewer) -> None:
    """The patient takes the request back before anybody reads it."""
    _move(session, case, Action.WITHDRAW, who)


def cancel(session: Session, case: Case, who: Viewer, reason: str) -> None:
    """A coordinator ends the case."""
    _move(session, case, Action.CANCEL, who, detail=reason)


def require(case: Case, who: Viewer, action: Action) -> None:
    """Raise NotAllowed or WrongState if the move could not be made with the case as it was read; locks nothing."""
    _require_part(case, who, action)
    if case.state not in STEPS[action].before:
        raise _wrong_state(case, action)


def _require_part(case: Case, who: Viewer | None, action: Action) -> None:
    by = STEPS[action].by
    if not by & parts_of(who, case):
        raise NotAllowed(f"Only {' or '.join(sorted(by))} can {action} this case.")


def _wrong_state(case: Case, action: Action) -> WrongState:
    return WrongState(f"This case {IS[case.state]}, so it cannot be {DONE[action]} now.")


def _move(session: Session, case: Case, action: Action, who: Viewer | None, detail: str = "", **values: Any) -> None:
    step = STEPS[action]
    _require_part(case, who, action)
    changed = session.execute(
        update(Case)
        .where(Case.id == case.id, Case.state.in_(step.before), _still(who, step))
        .values(state=step.after, **values)
        .execution_options(synchronize_session=False)
    )
    if not isinstance(changed, CursorResult) or changed.rowcount != 1:
        session.refresh(case)
        raise _wrong_state(case, action)
    session.add(AuditLine(person_id=who.person_id if who else None, action=action, case_id=case.id, detail=detail))
    session.flush()
    session.refresh(case)


def _still(who: Viewer | None, step: Step) -> ColumnElement[bool]:
    """What must still be true of the person at the moment of the change."""
    if who is None or (Part.COORDINATOR in step.by and who.oversees):
        return true()
    grounds = {
        Part.OWNER: Case.patient_id == who.person_id,
        Part.SUBSPECIALIST: and_(Case.subspecialty.in_(who.subspecialties), Case.reader_id.is_(None)),
        Part.HOLDER: Case.reader_id == who.person_id,
    }
    return or_(*(grounds[part] for part in step.by if part in grounds))
