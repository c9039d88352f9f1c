"""What did not become part of a study, written down where the coordinator sees it: each of it once."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from config.database import Database
from gateway.taken import Rejected
from orthanc.header import InstanceHeader
from scp.arrival import Refusal
from scp.inbox import Inbox
from scp.shelf import is_key
from worklist.history import KEPT_ASIDE, REFUSED_AT_THE_DOOR, of_study, shared_reason, tell
from worklist.models import Trouble, now
from worklist.states import TroubleKind
from worklist.tally import Room, tidy
from worklist.troubles import Decision, rejected_before

log = structlog.get_logger()

LOOK_AGAIN = 60.0
NOT_READ = "It was received, but cannot be read from our own disk. Look at the disk; it is tried again by itself."
BROKEN = "It was received, but its file on our own disk is damaged. Ask the sender to send the study again."
BROKEN_NOTE = (
    "The note of an object that was refused is damaged on our own disk. Its sender was told; who, is not known here."
)


def note_quarantine(session: Session, rejected: Iterable[Rejected]) -> None:
    """Write down why entries are kept aside, here and in the history of the cases that they concern."""
    told: Counter[tuple[str, str, str]] = Counter()
    for aside in rejected:
        arrival = aside.entry.arrival
        log.warning("quarantined", sender=arrival.sender, sop_uid=arrival.sop_uid, reason=aside.reason)
        trouble = _aside(aside)
        trouble.reason += _again(session, trouble)
        if _note(session, trouble):
            told[arrival.origin, arrival.study_uid, trouble.reason] += 1
    _tell(session, KEPT_ASIDE, told)


def note_refusals(inbox: Inbox, database: Database) -> bool:
    """Carry the receivers' notes of what they refused into the database, listed or only counted."""
    notes = inbox.refusals(200)
    if not notes:
        return False
    with database.writing() as session:
        told: Counter[tuple[str, str, str]] = Counter()
        room = Room(session)
        for key, refusal in notes:
            one = _refused(key, refusal)
            if room.takes(one) and _note(session, one):
                told[refusal.origin, refusal.study_uid, shared_reason(TroubleKind.REFUSED, refusal.reason)] += 1
        _tell(session, REFUSED_AT_THE_DOOR, told)
    for key, _ in notes:
        inbox.forget_refusal(key)
    return True


def tidying(database: Database) -> bool:
    """Take away the rows of what was seen to long ago; True if there may be more."""
    with database.writing() as session:
        return tidy(session)


def _tell(session: Session, action: str, told: Mapping[tuple[str, str, str], int]) -> None:
    for (origin, study_uid, reason), count in told.items():
        tell(session, origin, study_uid, action, of_study(count, study_uid, reason))


def unusable_entries(inbox: Inbox, database: Database) -> Callable[[], bool]:
    """A step that writes down which entries of the inbox cannot be used, when that has changed.

    Now and then also when it has not: another worker may have died, whose entries can be read by now.
    """
    noted: dict[tuple[str, str], str] | None = None
    again_at = 0.0

    def step() -> bool:
        nonlocal noted, again_at
        unreadable: dict[tuple[str, str], str] = {
            (TroubleKind.UNREADABLE, key): told or NOT_READ for key, told in inbox.unreadable().items()
        }
        found = unreadable | {(TroubleKind.DAMAGED, path.name): _broken(path.name) for path in inbox.damaged()}
        if found != noted or time.monotonic() > again_at:
            _write(database, found)
            noted, again_at = found, time.monotonic() + LOOK_AGAIN
        return False

    return step


def _broken(name: str) -> str:
    return BROKEN if is_key(name) else BROKEN_NOTE


def _write(database: Database, there: Mapping[tuple[str, str], str]) -> None:
    with database.reading() as session:
        open_ones = select(Trouble.kind, Trouble.key).where(
            Trouble.kind == TroubleKind.UNREADABLE, Trouble.resolved_at.is_(None)
        )
        over = {(kind, key) for kind, key in session.execute(open_ones)} - there.keys()
    if not there and not over:
        return
    with database.writing() as session:
        for (kind, key), reason in sorted(there.items()):
            _note(session, Trouble(kind=kind, origin="", reason=reason, key=key, file=key))
        healed = update(Trouble).where(
            Trouble.kind == TroubleKind.UNREADABLE, Trouble.key.in_([key for _, key in over])
        )
        session.execute(healed.values(resolved_at=now()))


def _aside(aside: Rejected) -> Trouble:
    arrival, header = aside.entry.arrival, aside.header
    return Trouble(
        kind=TroubleKind.QUARANTINED,
        contradicts=aside.contradicts,
        sha256=aside.sha256,
        patient=_patient(header) if header and aside.contradicts else "",
        series_number=header.series_number if header else None,
        instance_number=header.instance_number if header else None,
        origin=arrival.origin,
        sender=arrival.sender,
        reason=aside.reason,
        sop_uid=arrival.sop_uid,
        study_uid=arrival.study_uid,
        series_uid=arrival.series_uid,
        key=aside.entry.key,
        file=aside.entry.key,
        received_at=arrival.received_at,
    )


def _again(session: Session, trouble: Trouble) -> str:
    """Whoever sends once more what was rejected is told so at once, and so is who decides."""
    answer = rejected_before(session, trouble)
    return "" if answer is None else f" One with its SOP Instance UID was rejected before: {answer}"


def _patient(header: InstanceHeader) -> str:
    """Equal for objects that name one patient letter by letter; who that is stays in the sealed file."""
    said = repr((header.patient_id, header.issuer, header.patient_name))
    return hashlib.sha256(said.encode()).hexdigest()


def _refused(key: str, refusal: Refusal) -> Trouble:
    return Trouble(
        kind=TroubleKind.REFUSED,
        origin=refusal.origin,
        sender=refusal.sender,
        reason=refusal.reason,
        status=refusal.status,
        sop_uid=refusal.sop_uid,
        study_uid=refusal.study_uid,
        series_uid=refusal.series_uid,
        key=key,
        received_at=refusal.received_at,
    )


def _note(session: Session, trouble: Trouble) -> bool:
    """Write it down; what was seen before is shown again if it came back for another reason. Whether it is news."""
    seen = session.scalars(select(Trouble).where(Trouble.key == trouble.key)).first()
    if seen is None:
        session.add(trouble)
        return True
    if seen.kind == TroubleKind.REFUSED:
        seen.received_at = max(seen.received_at, trouble.received_at)
    elif seen.kind == TroubleKind.UNREADABLE or seen.decision == Decision.ACCEPTED:  # accepted, and kept aside again
        seen.kind, seen.reason, seen.resolved_at = trouble.kind, trouble.reason, None
        seen.contradicts, seen.patient = trouble.contradicts, trouble.patient
        seen.series_number, seen.instance_number = trouble.series_number, trouble.instance_number
        seen.decision, seen.decided_by, seen.carried_at = "", None, None
        return True
    return False
