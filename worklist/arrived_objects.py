"""Every object of one study that reached us, named: what is in the archive, and what was refused or kept aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklist.access import Viewer
from worklist.arrivals import instances_of, visible_sites
from worklist.models import Instance, Trouble
from worklist.papers import SAVED
from worklist.states import TroubleKind

ARCHIVED: Final = "archived"
NO_STUDY: Final = "none"
"""Stands for the objects that did not say of which study they are."""

UNDECIDED: Final[dict[str, str]] = {TroubleKind.REFUSED: "refused", TroubleKind.QUARANTINED: "kept aside"}
"""What became of an object that no coordinator decided about; what one decided is the state otherwise."""


@dataclass(frozen=True, slots=True)
class ArrivedObject:
    """One object. Its class, syntax, size in bytes and digest are known of what is archived alone.

    `status` is what the sender got, in four hexadecimal digits, "" if it was Success; `answer` is the coordinator's.
    """

    sop_uid: str
    state: str
    sender: str
    received_at: datetime
    sop_class_uid: str = ""
    transfer_syntax: str = ""
    size: int | None = None
    sha256: str = ""
    status: str = ""
    reason: str = ""
    answer: str = ""


def objects_of(session: Session, who: Viewer, site_id: int, study_uid: str) -> list[ArrivedObject]:
    """What is archived of a study of a site (or of `NO_STUDY`), then what was not taken; none that one may not see.

    An object that was accepted, or sent again, is there twice: as archived, and with what was said of it before.
    """
    archived = instances_of(session, who, site_id, study_uid)
    return [*map(_archived, archived), *map(_not_taken, _troubles(session, who, site_id, study_uid))]


def _troubles(session: Session, who: Viewer, site_id: int, study_uid: str) -> Sequence[Trouble]:
    if site_id not in visible_sites(session, who):
        return ()
    said = "" if study_uid == NO_STUDY else study_uid
    query = select(Trouble).where(
        Trouble.origin == f"site:{site_id}",
        Trouble.study_uid == said,
        Trouble.kind.in_(UNDECIDED),
        Trouble.sender != SAVED,
    )
    return session.scalars(query.order_by(Trouble.received_at, Trouble.id)).all()


def _archived(row: Instance) -> ArrivedObject:
    return ArrivedObject(
        row.sop_uid, ARCHIVED, row.sender, row.received_at, row.sop_class_uid, row.transfer_syntax, row.size, row.sha256
    )


def _not_taken(row: Trouble) -> ArrivedObject:
    return ArrivedObject(
        row.sop_uid,
        row.decision or UNDECIDED[row.kind],
        row.sender,
        row.received_at,
        status=f"{row.status:04X}" if row.status else "",
        reason=row.reason,
        answer=row.answer,
    )
