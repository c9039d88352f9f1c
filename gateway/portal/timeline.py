"""What has happened to a patient's request and what comes next, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from worklist.models import Case
from worklist.states import CaseState
from worklist.subspecialties import label

S = CaseState
UNREAD = (
    "At present nobody with us reads what your images show. Our coordinator sees your request and looks for somebody "
    "who does. As soon as there is somebody, you see here by when."
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `status` is "done", "now" or "next"."""

    title: str
    text: str
    status: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class _Stage:
    """`now` is said while the request stands here, `after` once it is past; `at` is when it was done."""

    title: str
    now: Callable[[Case], str]
    after: Callable[[Case], str]
    at: Callable[[Case], datetime | None]


# A request stands at the stage with this number; those before it are behind it.
STANDS_AT: Mapping[CaseState, int] = {
    S.DRAFT: 1,
    S.AWAITING_IMAGES: 2,
    S.READY: 3,
    S.CLAIMED: 3,
    S.ON_HOLD: 3,
    S.SIGNED: 4,
    S.DELIVERED: 5,
    S.CANCELLED: 0,
}


def _reading(case: Case) -> str:
    if case.state is S.ON_HOLD:
        return f"The specialist needs something before going on: {case.hold_reason}"
    if case.reader is not None:
        return f"{case.reader.display_name} reads your images and writes the second opinion."
    field = "" if case.subspecialty == "unassigned" else f" in {label(case.subspecialty).lower()}"
    return f"A specialist{field} will read your images and answer your questions."


def _was_read(case: Case) -> str:
    return f"{case.reader.display_name} has read your images." if case.reader is not None else ""


def _always(text: str) -> Callable[[Case], str]:
    return lambda _case: text


STAGES = (
    _Stage(
        "You tell us what it is about",
        _always("Your reason, your history and your questions."),
        _always(""),
        lambda case: case.created_at,
    ),
    _Stage(
        "You add your images and send the request",
        _always("Nobody looks at it before you send it."),
        _always(""),
        lambda _: None,
    ),
    _Stage(
        "We check that the images are complete",
        _always("It takes about a minute; you need do nothing."),
        _always(""),
        lambda case: case.ready_at,
    ),
    _Stage("A specialist reads", _reading, _was_read, lambda case: case.signed_at),
    _Stage(
        "The report is made",
        _always("The signed opinion becomes a document for you."),
        _always(""),
        lambda case: case.delivered_at,
    ),
    _Stage(
        "Your second opinion is ready",
        _always("Read it here, or take it to your doctor."),
        _always("Read it here, or take it to your doctor."),
        lambda _: None,
    ),
)


def timeline(case: Case, *, unread: bool = False) -> tuple[Step, ...]:
    """The steps of this request; none when it was cancelled. `unread`: nobody here reads what it is about."""
    if case.state is S.CANCELLED:
        return ()
    here = STANDS_AT[case.state]
    steps = (_step(stage, number, here, case) for number, stage in enumerate(STAGES))
    return tuple(replace(step, text=UNREAD) if unread and step.status == "now" else step for step in steps)


def _step(stage: _Stage, number: int, here: int, case: Case) -> Step:
    last = len(STAGES) - 1
    status = "done" if number < here or here == last else "now" if number == here else "next"
    text = stage.after if status == "done" else stage.now
    return Step(stage.title, text(case), status, stage.at(case) if status == "done" else None)
