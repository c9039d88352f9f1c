"""Who was not let in, equal ones together: each receiving process counts its own, and begins anew each day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from worklist.models import TurnedAway


@dataclass(frozen=True, slots=True)
class Caller:
    """One who called in vain: under which name, whom, from where, why not, and how often."""

    calling: str
    called: str
    address: str
    why: str
    count: int
    first_at: datetime
    last_at: datetime


def turned_away(session: Session, *which: ColumnElement[bool], most: int) -> Sequence[Caller]:
    """Associations that were not opened, of the rows of `TurnedAway` that are asked for; the last first."""
    same = (TurnedAway.calling, TurnedAway.called, TurnedAway.address, TurnedAway.why)
    chosen: Select[str, str, str, str, int, datetime, datetime] = (
        select(*same, func.sum(TurnedAway.count), func.min(TurnedAway.first_at), func.max(TurnedAway.last_at))
        .where(*which)
        .group_by(*same)
        .order_by(func.max(TurnedAway.last_at).desc())
        .limit(most)
    )
    return [Caller(*row) for row in session.execute(chosen)]
