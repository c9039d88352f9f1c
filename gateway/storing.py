"""Where STOW-RS puts what somebody sends: a site's people send for their site, a reader what they made of their case.

Who may send nothing here is told so before a byte is read; what may not be sent is refused before a byte is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from config.database import Database
from dicomweb.keeping import FailureReason, Keep, Kept, NotKept, StoreTarget, Takes
from gateway.door import Looked, looked_at, put
from gateway.made import MadeHere, refused
from scp.arrival import UPLOAD, VIEWER
from scp.inbox import Inbox
from scp.part10 import NotDicom
from scp.reasons import Reason, Unacceptable
from worklist.access import Sight
from worklist.making import places
from worklist.states import Role

Check = Callable[[Looked], str]
"""Say whose the object is (its origin), or raise NotKept."""

SYNTAXES = frozenset({Reason.UNKNOWN_SYNTAX, Reason.DEFLATED})


def store_target(inbox: Inbox, database: Database) -> StoreTarget:
    """The targets of one installation."""

    def target(sight: Sight, takes: Takes) -> Keep | None:
        who = sight.viewer
        if Role.SITE in who.roles and who.site_id is not None:
            check = _of_site(f"site:{who.site_id}", takes)
            return lambda file: _keep(file, check, lambda looked, origin: put(inbox, looked, origin, UPLOAD))
        with database.reading() as session:
            open_to_me = {one.study_uid: one for one in places(session, sight) if takes(one.origin, one.study_uid)}
        if not open_to_me:
            return None
        made, mine = MadeHere(database, who.person_id, open_to_me), str(who.person_id)
        return lambda file: _keep(file, made.check, lambda looked, origin: put(inbox, looked, origin, VIEWER, mine))

    return target


def _of_site(origin: str, takes: Takes) -> Check:
    def check(looked: Looked) -> str:
        if not takes(origin, looked.identity.study_uid):
            raise refused(looked, FailureReason.OTHER_STUDY, "It belongs to another study than the request is for.")
        return origin

    return check


def _keep(file: BinaryIO, check: Check, keep: Callable[[Looked, str], None]) -> Kept:
    try:
        looked = looked_at(file)
    except NotDicom as error:
        raise NotKept(FailureReason.CANNOT_UNDERSTAND, str(error)) from error
    except Unacceptable as error:
        reason = FailureReason.SYNTAX_NOT_SUPPORTED if error.reason in SYNTAXES else error.status
        raise NotKept(reason, error.sentence) from error
    keep(looked, check(looked))
    one = looked.identity
    return Kept(one.sop_class_uid, one.sop_uid, one.study_uid, one.series_uid)
