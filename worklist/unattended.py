"""Objects in no study that nobody has seen to yet, equal ones together: a hundred of one kind are one problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, not_, select, true, update
from sqlalchemy.orm import Session, aliased

from worklist.access import Viewer
from worklist.history import shared_reason
from worklist.models import AuditLine, Trouble, now
from worklist.papers import SAVED
from worklist.refusals import came_later
from worklist.states import TroubleKind

FOLDED = 10
"""How many of equal ones are read besides the newest."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Objects of one origin with one fault, the newest first: as many as are shown of `count`."""

    first_id: int
    last_id: int
    rows: tuple[Trouble, ...]
    count: int
    first_at: datetime
    last_at: datetime

    @property
    def newest(self) -> Trouble:
        """The one that came last."""
        return self.rows[0]

    @property
    def older(self) -> tuple[Trouble, ...]:
        """Those before it that are shown."""
        return self.rows[1:]

    @property
    def reason(self) -> str:
        """What is wrong with all of them."""
        return self.newest.reason if self.count == 1 else shared_reason(self.newest.kind, self.newest.reason)


def unattended(session: Session, origin: str | None = None) -> list[Alike]:
    """What waits for a coordinator's eyes, the newest first; nothing that came after all.

    Of one origin: what its site sent, not what a reader saved there.
    """
    same, latest_first = _same(), (Trouble.received_at.desc(), Trouble.id.desc())
    numbered = (
        select(
            Trouble,
            func.row_number().over(partition_by=same, order_by=latest_first).label("place"),
            func.count().over(partition_by=same).label("number"),
            func.min(Trouble.id).over(partition_by=same).label("first_id"),
            func.max(Trouble.id).over(partition_by=same).label("last_id"),
            func.min(Trouble.received_at).over(partition_by=same).label("first_at"),
            func.max(Trouble.received_at).over(partition_by=same).label("last_at"),
        )
        .where(*_open(), true() if origin is None else and_(Trouble.origin == origin, Trouble.sender != SAVED))
        .subquery()
    )
    row, told = aliased(Trouble, numbered), numbered.c
    chosen = (
        select(row, told.first_id, told.last_id, told.number, told.first_at, told.last_at)
        .where(told.place <= 1 + FOLDED)
        .order_by(told.last_at.desc(), told.first_id, told.place)
    )
    return [_alike(list(rows)) for _, rows in groupby(session.execute(chosen), key=lambda one: one.first_id)]


def attend(session: Session, who: Viewer, last_id: int) -> int:
    """A coordinator has seen this object and those like it written down before; how many nobody had seen."""
    last = session.get(Trouble, last_id)
    if last is None or last.kind == TroubleKind.QUARANTINED:  # about that they decide
        return 0
    changed = session.scalars(
        update(Trouble)
        .where(*_open(), *_like(last), Trouble.id <= last_id)
        .values(resolved_at=now())
        .returning(Trouble.id)
        .execution_options(synchronize_session=False)
    ).all()
    if changed:
        detail = f"{len(changed)} {last.kind}: {shared_reason(last.kind, last.reason)}"
        session.add(AuditLine(person_id=who.person_id, action="seen", detail=detail))
    return len(changed)


def _alike(rows: Sequence[Row[Any]]) -> Alike:
    one = rows[0]
    return Alike(one.first_id, one.last_id, tuple(each[0] for each in rows), one.number, one.first_at, one.last_at)


def _open() -> tuple[ColumnElement[bool], ...]:
    return Trouble.resolved_at.is_(None), not_(and_(Trouble.kind == TroubleKind.REFUSED, came_later()))


def _same() -> tuple[ColumnElement[Any], ...]:
    """What equal ones have in common: a status is a sentence; decisions are made for a study."""
    by_status = and_(Trouble.kind == TroubleKind.REFUSED, Trouble.status != 0)
    return (
        Trouble.kind.expression,
        Trouble.origin.expression,
        Trouble.status.expression,
        case((by_status, ""), else_=Trouble.reason),
        case((Trouble.kind == TroubleKind.QUARANTINED, Trouble.study_uid), else_=""),
        Trouble.patient.expression,
    )


def _like(one: Trouble) -> tuple[ColumnElement[bool], ...]:
    alike = (Trouble.kind == one.kind, Trouble.origin == one.origin, Trouble.status == one.status)
    by_status = one.kind == TroubleKind.REFUSED and one.status
    return alike if by_status else (*alike, Trouble.reason == one.reason)
