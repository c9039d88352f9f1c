"""States, names, ages and moments in the words of the people who read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from sr_reports.wording import SEXES, age_at_examination, date_in_words
from worklist.lifecycle import Action
from worklist.models import Study, now
from worklist.states import CaseState, DeliveryState

S = CaseState


@dataclass(frozen=True, slots=True)
class Label:
    """A word and the tone in which it is set; the tone never says more than the word."""

    text: str
    tone: str  # "calm", "active", "attention", "late", "done" or "ended"


STATES: Mapping[CaseState, Label] = {
    S.DRAFT: Label("Being written", "calm"),
    S.AWAITING_IMAGES: Label("Waiting for images", "calm"),
    S.READY: Label("Waiting for a reader", "active"),
    S.CLAIMED: Label("Being read", "active"),
    S.ON_HOLD: Label("On hold", "attention"),
    S.SIGNED: Label("Signed, on its way", "done"),
    S.DELIVERED: Label("Delivered", "done"),
    S.CANCELLED: Label("Cancelled", "ended"),
}
STATES_FOR_PATIENTS: Mapping[CaseState, Label] = {
    S.DRAFT: Label("Not sent yet", "attention"),
    S.AWAITING_IMAGES: Label("We are checking your images", "active"),
    S.READY: Label("With our specialists", "active"),
    S.CLAIMED: Label("A specialist is reading", "active"),
    S.ON_HOLD: Label("The specialist needs something first", "attention"),
    S.SIGNED: Label("Signed", "done"),
    S.DELIVERED: Label("Your second opinion is ready", "done"),
    S.CANCELLED: Label("Cancelled", "ended"),
}
UNREAD_FOR_PATIENTS = Label("We are looking for a specialist", "attention")
DELIVERIES: Mapping[DeliveryState, Label] = {
    DeliveryState.PENDING: Label("On its way", "active"),
    DeliveryState.NEEDS_PERSON: Label("Refused, needs a person", "attention"),
    DeliveryState.PROVEN: Label("Delivered", "done"),
}
DONE: Mapping[str, str] = {  # in the history of a case
    Action.SUBMIT: "Sent",
    Action.OPEN: "Put on the worklist",
    Action.REROUTE: "Routed anew",
    Action.CLAIM: "Claimed",
    Action.RELEASE: "Given back",
    Action.HOLD: "Put on hold",
    Action.RESUME: "Taken up again",
    Action.ASSIGN: "Assigned",
    Action.SIGN: "Signed",
    Action.DELIVER: "Delivered",
    Action.WITHDRAW: "Withdrawn",
    Action.CANCEL: "Cancelled",
    "start": "Begun",
    "change request": "Request changed",
    "deliver to": "Arrived",
    "look for earlier studies": "Looked for earlier studies",
    "fetch no earlier studies": "Fetching of earlier studies stopped",
    "share": "Shared by a link",
    "open a shared link": "Shared link opened",
    "download the report": "Report downloaded",
}
PRIORITIES: Mapping[str, Label] = {
    "stat": Label("Immediate", "late"),
    "urgent": Label("Urgent", "attention"),
    "routine": Label("Routine", "calm"),
}
SPANS = (  # from how many seconds on, how many seconds one has, and its name
    (36 * 3600, 86400, "day"),
    (3570, 3600, "hour"),
    (45, 60, "minute"),
)
SOON = timedelta(hours=4)


def done(action: str) -> str:
    """What was done, for a history."""
    return DONE.get(action, action.capitalize())


def priority(name: str) -> Label:
    """The priority that a routing rule gave."""
    return PRIORITIES.get(name, Label(name.capitalize() or "Routine", "calm"))


def counted(number: int, noun: str, plural: str = "") -> str:
    """1 image, 1,234 images, 2 series."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def person_name(dicom_name: str) -> str:
    """A DICOM person name in reading order, the ideographic form first. Nothing that a peer sends makes it fail.

    https://dicom.nema.org/medical/dicom/current/output/chtml/part05/sect_6.2.html#sect_6.2.1
    """
    alphabetic, ideographic = (dicom_name.split("=") + [""])[:2]
    written = " ".join(_components(ideographic)[:2]).strip()
    family, given, middle, prefix, suffix = _components(alphabetic)
    read = " ".join(part for part in (prefix, given, middle, family) if part)
    read = ", ".join(part for part in (read, suffix) if part)
    return f"{written} ({read})" if written and read else written or read or "Name not given"


def _components(group: str) -> list[str]:
    return ([" ".join(part.split()) for part in group.split("^")] + [""] * 5)[:5]


def sex(code: str) -> str:
    """female; "" when unknown."""
    return SEXES.get(code, "").lower()


def age(study: Study) -> str:
    """The age at the examination, in months below two years; "" when nobody said."""
    return age_at_examination(study.birth_date, study.study_date, study.age_years)


def dicom_date(value: str) -> str:
    """24 November 2026, from a DICOM date; what is not one stays as it is."""
    return date_in_words(value)


def spoken(at: datetime) -> str:
    """Tuesday 24 November 2026, 14:05 UTC; the browser says it in its own zone."""
    return f"{at:%A} {at.day} {at:%B %Y}, {at:%H:%M} UTC"


def distance(at: datetime, since: datetime | None = None) -> str:
    """In 3 hours; 2 days ago."""
    seconds = (at - (since or now())).total_seconds()
    for least, length, name in SPANS:
        if abs(seconds) >= least:
            span = counted(max(1, round(abs(seconds) / length)), name)
            return f"in {span}" if seconds > 0 else f"{span} ago"
    return "in a moment" if seconds > 0 else "just now"


def moment(at: datetime | None) -> Markup:
    """A moment in full."""
    return _time(at, "full", spoken(at)) if at else Markup()


def clock(at: datetime | None) -> Markup:
    """A moment of these days, to the second: 14:05:12."""
    return _time(at, "clock", f"{at:%H:%M:%S} UTC") if at else Markup()


def relative(at: datetime | None) -> Markup:
    """A moment by its distance from now."""
    return _time(at, "relative", distance(at)) if at else Markup()


def _time(at: datetime, kind: str, text: str) -> Markup:
    return Markup('<time datetime="{}" data-moment="{}" title="{}">{}</time>').format(
        at.isoformat(), kind, spoken(at), text
    )


@dataclass(frozen=True, slots=True)
class Due:
    """When a case is due, and what is to be said of it."""

    at: datetime | None
    warning: str  # "Overdue", "Due soon" or ""


def due(at: datetime | None, since: datetime | None = None) -> Due:
    """Say whether a case is late."""
    if at is None:
        return Due(None, "")
    left = at - (since or now())
    return Due(at, "Overdue" if left < timedelta() else "Due soon" if left < SOON else "")
