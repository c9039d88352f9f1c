"""Refused objects that are not listed any more, or never were: only counted, so that no sender fills the database.

Listed are MOST objects of each origin, and of a study that we hold at least one for each status, so that its case says
that images are missing. What somebody has seen, or what came after all, is listed for KEPT.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from worklist.models import Study, Trouble, TroubleTally, now
from worklist.refusals import came_later
from worklist.states import TroubleKind

MOST: Final = 20_000
KEPT: Final = timedelta(days=90)
AT_ONCE: Final = 2_000  # rows that one transaction takes away
TIDIED: Final = (TroubleKind.REFUSED, TroubleKind.UNREADABLE, TroubleKind.ALTERED)
"""Kinds whose rows stand for nothing: no file lies there for them, and no decision."""


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
    for one in troubles:
        found = session.get(TroubleTally, (one.origin, one.status))
        if found is None:
            first = {"origin": one.origin, "status": one.status, "count": 0, "first_at": one.received_at}
            found = TroubleTally(**first, last_at=one.received_at, reason=one.reason[:500])
            session.add(found)
            session.flush()
        found.count += 1
        found.first_at, found.last_at = min(found.first_at, one.received_at), max(found.last_at, one.received_at)
