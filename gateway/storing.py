"""Where STOW-RS puts what somebody sends: a site's people send for their site, a reader what they made of their case.

Who may send nothing here is told so before a byte is read; what may not be sent is refused before a byte is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import structlog

from config.database import Database
from dicomweb.keeping import FailureReason, Keeper, Kept, NotKept, StoreTarget, Takes
from gateway.door import Looked, Unfit, looked_at, put
from gateway.made import MadeHere, refused
from scp.arrival import DICOMWEB, VIEWER, Refusal
from scp.inbox import Inbox
from scp.part10 import NotDicom
from scp.reasons import Reason, Unacceptable
from scp.screen import NOT_READ, Identity
from worklist.access import Sight
from worklist.making import places
from worklist.states import Role

Check = Callable[[Looked], str]
"""Say whose the object is (its origin), or raise NotKept."""

Note = Callable[[Identity, NotKept], None]
"""Write down that what says it is this was refused."""

log = structlog.get_logger()

SYNTAXES = frozenset({Reason.UNKNOWN_SYNTAX, Reason.DEFLATED})


def store_target(inbox: Inbox, database: Database) -> StoreTarget:
    """The targets of one installation."""

    def target(sight: Sight, takes: Takes) -> Keeper | None:
        who = sight.viewer
        if Role.SITE in who.roles and who.site_id is not None:
            check, note = _of_site(site := f"site:{who.site_id}", takes), _note_for(inbox, site)
            return _keeper(inbox, check, lambda looked, origin: put(inbox, looked, origin, DICOMWEB), note)
        with database.reading() as session:
            open_to_me = {one.study_uid: one for one in places(session, sight) if takes(one.origin, one.study_uid)}
        if not open_to_me:
            return None
        made, mine = MadeHere(database, who.person_id, open_to_me), str(who.person_id)
        return _keeper(inbox, made.check, lambda looked, origin: put(inbox, looked, origin, VIEWER, mine), _unnoted)

    return target


def _keeper(inbox: Inbox, check: Check, keep: Callable[[Looked, str], None], note: Note) -> Keeper:
    return Keeper(
        lambda file: _keep(lambda: looked_at(file, inbox.largest), check, keep, note),
        lambda refusal: note(NOT_READ, refusal),
    )


def _of_site(origin: str, takes: Takes) -> Check:
    def check(looked: Looked) -> str:
        if not takes(origin, looked.identity.study_uid):
            raise refused(looked, FailureReason.OTHER_STUDY, "It belongs to another study than the request is for.")
        return origin

    return check


def _keep(look: Callable[[], Looked], check: Check, keep: Callable[[Looked, str], None], note: Note) -> Kept:
    try:
        looked = look()
    except (NotDicom, Unacceptable) as error:
        said = error.said if isinstance(error, Unfit) else NOT_READ
        refusal = NotKept(_reason(error), str(error), sop_class_uid=said.sop_class_uid, sop_uid=said.sop_uid)
        note(said, refusal)
        raise refusal from error
    one = looked.identity
    try:
        origin = check(looked)
    except NotKept as refusal:
        note(one, refusal)
        raise
    keep(looked, origin)
    return Kept(one.sop_class_uid, one.sop_uid, one.study_uid, one.series_uid)


def _reason(error: NotDicom | Unacceptable) -> int:
    if isinstance(error, NotDicom):
        return FailureReason.CANNOT_UNDERSTAND
    return FailureReason.SYNTAX_NOT_SUPPORTED if error.reason in SYNTAXES else error.status


def _note_for(inbox: Inbox, origin: str) -> Note:
    """As for C-STORE: one note for each object and reason, and no disk is filled by who repeats themselves."""

    def note(said: Identity, refusal: NotKept) -> None:
        log.warning("refused an instance", origin=origin, sop_uid=said.sop_uid, reason=str(refusal))
        try:
            inbox.refuse(
                Refusal(
                    origin=origin,
                    sender=DICOMWEB,
                    reason=str(refusal),
                    status=int(refusal.reason),
                    received_at=datetime.now(UTC),
                    **asdict(said),
                )
            )
        except OSError as failure:
            log.warning("could not note a refusal", origin=origin, sop_uid=said.sop_uid, error=failure.strerror)

    return note


def _unnoted(said: Identity, refusal: NotKept) -> None:
    """What a reader made is no arrival of a hospital: the reader is told, and nobody else."""
    log.info("refused what a reader made", sop_uid=said.sop_uid, reason=str(refusal))
