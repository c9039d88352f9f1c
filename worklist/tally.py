"""Refused objects that are not listed any more, or never were: only counted, so that no sender fills the database.

Listed are MOST objects of each origin, and of a study that we hold at least one for each status, so that its case says
that images are missing. What somebody has seen, or what came after all, is listed for KEPT.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sqlalchemy import case, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from worklist.models import Study, Trouble, TroubleTally, now
from worklist.refusals import came_later
from worklist.states import TroubleKind

MOST: Final = 20_000
KEPT: Final = timedelta(days=90)
AT_ONCE: Final = 2_000  # rows that one transaction takes away
TIDIED: Final = (TroubleKind.REFUSED, TroubleKind.UNREADABLE, TroubleKind.ALTERED)
"""Kinds whose rows stand for nothing: no file lies there for them, and no decision."""


INSERTS: Final[Mapping[str, Callable[[type[TroubleTally]], sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


@dataclass(slots=True)
class Room:
    """What one transaction may still list."""

    session: Session
    _listed: Counter[str] = field(default_factory=Counter)

    def takes(self, one: Trouble) -> bool:
        """Whether this refused object is listed; it is counted otherwise."""
        if self.session.scalar(select(Trouble.id).where(Trouble.key == one.key)) is not None:
            return True
        if one.origin not in self._listed:
            of_origin = (Trouble.kind == TroubleKind.REFUSED, Trouble.origin == one.origin)
            self._listed[one.origin] = self.session.scalar(select(func.count(Trouble.id)).where(*of_origin)) or 0
        if self._listed[one.origin] >= MOST and not self._is_first_of_study(one):
            _count(self.session, [one])
            return False
        self._listed[one.origin] += 1
        return True

    def _is_first_of_study(self, one: Trouble) -> bool:
        same = (Trouble.kind == one.kind, Trouble.origin == one.origin, Trouble.study_uid == one.study_uid)
        listed = select(Trouble.id).where(*same, Trouble.status == one.status).limit(1)
        held = select(Study.id).where(Study.origin == one.origin, Study.study_uid == one.study_uid)
        return self.session.scalar(held) is not None and self.session.scalar(listed) is None


def tidy(session: Session) -> bool:
    """Take away what has been listed for long enough, and count it; True if there may be more."""
    seen = or_(Trouble.resolved_at.is_not(None), came_later())
    old = select(Trouble).where(Trouble.kind.in_(TIDIED), seen, Trouble.received_at < now() - KEPT)
    rows = session.scalars(old.order_by(Trouble.id).limit(AT_ONCE)).all()
    if rows:
        _count(session, [row for row in rows if row.kind == TroubleKind.REFUSED])
        session.execute(delete(Trouble).where(Trouble.id.in_([row.id for row in rows])))
    return len(rows) == AT_ONCE


def tallies(session: Session, origins: Collection[str] | None = None) -> Sequence[TroubleTally]:
    """What is only counted (of some origins), the last first."""
    chosen = select(TroubleTally).order_by(TroubleTally.last_at.desc())
    return session.scalars(chosen if origins is None else chosen.where(TroubleTally.origin.in_(origins))).all()


def _count(session: Session, troubles: Sequence[Trouble]) -> None:
    """Add to what is counted, in one order and by one statement each: other workers do it at the same moment."""
    insert = INSERTS[session.get_bind().dialect.name]
    for one in sorted(troubles, key=lambda one: (one.origin, one.status)):
        first = {"origin": one.origin, "status": one.status, "count": 1, "reason": one.reason[:500]}
        new = insert(TroubleTally).values(**first, first_at=one.received_at, last_at=one.received_at)
        earlier, later = new.excluded.first_at < TroubleTally.first_at, new.excluded.last_at > TroubleTally.last_at
        change = {
            "count": TroubleTally.count + 1,
            "first_at": case((earlier, new.excluded.first_at), else_=TroubleTally.first_at),
            "last_at": case((later, new.excluded.last_at), else_=TroubleTally.last_at),
        }
        session.execute(new.on_conflict_do_update(index_elements=["origin", "status"], set_=change))
