"""Rows that are due: any number of workers share them, and a killed one loses nothing.

There is no queue. What must be done is a query for rows (`state`, `next_attempt_at`); a worker claims one by a lease,
and a lease that ran out means that its holder died.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select, true, update
from sqlalchemy.orm import aliased

from config.database import Database
from worklist.models import Commitment, Delivery, Report, now
from worklist.states import CommitmentState, DeliveryState, ReportState

LEASE = timedelta(minutes=2)
MOST_DOUBLINGS = 32
State = ReportState | DeliveryState | CommitmentState


@dataclass(frozen=True, slots=True)
class Due:
    """The rows of one table that wait in one state, and the pauses between attempts."""

    database: Database
    table: type[Report] | type[Delivery] | type[Commitment]
    state: State
    first_pause: float
    longest_pause: float
    one_for_each_peer: bool = False  # a delivery waits while another to the same peer is leased

    def claim(self) -> int | None:
        """Take one due row for two minutes; None if there is none. No two workers get the same."""
        query = select(self.table.id).where(self._waiting()).order_by(self.table.next_attempt_at).limit(1)
        with self.database.reading() as session:
            if session.scalar(query) is None:
                return None
        with self.database.writing() as session:
            row = session.scalar(query.with_for_update(skip_locked=True))
            if row is not None:
                lease = {"lease_until": now() + LEASE, "attempts": self.table.attempts + 1}
                session.execute(update(self.table).where(self.table.id == row).values(**lease))
            return row

    def put_off(self, row: int, error: str, state: State | None = None) -> None:
        """It did not work; try again after a pause that doubles each time, or leave it in another state."""
        with self.database.writing() as session:
            attempts = session.scalars(select(self.table.attempts).where(self.table.id == row)).one()
            pause = min(self.first_pause * 2 ** min(max(0, attempts - 1), MOST_DOUBLINGS), self.longest_pause)
            values = {"last_error": error, "lease_until": None, "next_attempt_at": now() + timedelta(seconds=pause)}
            if state is not None:
                values["state"] = state
            undone = (self.table.id == row, self.table.state == self.state)  # by another, if our lease ran out
            session.execute(update(self.table).where(*undone).values(**values))

    def _waiting(self) -> ColumnElement[bool]:
        moment = now()
        free = or_(self.table.lease_until.is_(None), self.table.lease_until < moment)
        return and_(self.table.state == self.state, self.table.next_attempt_at <= moment, free, self._alone(moment))

    def _alone(self, moment: datetime) -> ColumnElement[bool]:
        if not self.one_for_each_peer:
            return true()
        other = aliased(Delivery)
        same = (other.peer_id == Delivery.peer_id, other.id != Delivery.id, other.lease_until >= moment)
        return not_(exists().where(*same).correlate(Delivery))
