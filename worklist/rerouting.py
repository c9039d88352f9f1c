"""A case on a worklist whose request was changed: the rules may know better now where it belongs and how soon."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from worklist import lifecycle
from worklist.models import Case, now
from worklist.routing import Routed
from worklist.subspecialties import label

BY_COORDINATOR = "coordinator"
"""Who a person assigned a case, as `routed_by`: rules never say otherwise after that."""


def reroute(session: Session, case: Case, routed: Routed) -> None:
    """Move the case where the rules now say, if that is elsewhere. Raises WrongState if a reader was faster."""
    if case.routed_by == BY_COORDINATOR or _decided(case) == _decision(routed):
        return
    was = _in_words(case.subspecialty, case.priority, case.turnaround_hours)
    changed = f"The request was changed; before that it was {was}."
    lifecycle.reroute(
        session,
        case,
        f"From {was} to {_in_words(routed.subspecialty, routed.priority, routed.turnaround_hours)}.",
        subspecialty=routed.subspecialty,
        priority=routed.priority,
        turnaround_hours=routed.turnaround_hours,
        due_at=_due(case, routed.turnaround_hours),
        routed_by=routed.rule,
        routed_why=f"{routed.why} {changed}",
    )


def _decided(case: Case) -> tuple[str, str, str, float]:
    return case.routed_by, case.subspecialty, case.priority, case.turnaround_hours


def _decision(routed: Routed) -> tuple[str, str, str, float]:
    return routed.rule, routed.subspecialty, routed.priority, routed.turnaround_hours


def _due(case: Case, hours: float) -> datetime:
    """Counted from READY, as ever. What is more pressing only now counts from now, and never gets later by that."""
    since_ready = (case.ready_at or now()) + timedelta(hours=hours)
    if case.due_at is None or hours >= case.turnaround_hours:
        return since_ready
    return min(case.due_at, max(since_ready, now() + timedelta(hours=hours)))


def _in_words(subspecialty: str, priority: str, hours: float) -> str:
    return f"{label(subspecialty)}, {priority}, within {hours:g} hours"
