"""Rows that are due: any number of workers share them, and a killed one loses nothing.

There is no queue. What must be done is a query for rows (`state`, `next_attempt_at`); a worker claims one by a lease,
which it renews while it works, and a lease that ran out means that its holder died.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread

import structlog
from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, or_, select, true, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, aliased

from config.database import Database
from worklist.models import Commitment, Delivery, Peer, Prior, PriorSearch, Report, Site, now
from worklist.states import CommitmentState, DeliveryState, PriorState, ReportState

log = structlog.get_logger()
LEASE = timedelta(minutes=2)
RENEWALS = 4  # within one lease: a database that is away for a moment costs nothing
MOST_DOUBLINGS = 32
Row = Report | Delivery | Commitment | PriorSearch | Prior
State = ReportState | DeliveryState | CommitmentState | PriorState


TURNS: Mapping[type[Row], str] = {Delivery: "peer_id", Prior: "origin"}
"""Deliveries to one peer, and earlier studies of one site, are worked on one after the other, by whichever worker."""
_LOCKS: Mapping[type[Row], Callable[[int], Select[int]]] = {
    Delivery: lambda row: select(Peer.id).where(
        Peer.id == select(Delivery.peer_id).where(Delivery.id == row).scalar_subquery()
    ),
    Prior: lambda row: select(Site.id).where(
        Site.id == select(PriorSearch.site_id).join(Prior).where(Prior.id == row).scalar_subquery()
    ),
}


@dataclass(frozen=True, slots=True)
class Due:
    """The rows of one table that wait in one state, and the pauses between attempts."""

    database: Database
    table: type[Row]
    state: State
    first_pause: float
    longest_pause: float
    take_turns: bool = False  # a row waits while another one of the same turn (TURNS) is leased
    lease: timedelta = LEASE

    def claim(self) -> int | None:
        """Take one due row for the time of a lease; None if there is none. No two workers get the same."""
        with self.database.reading() as session:
            if session.scalar(self._next()) is None:
                return None
        with self.database.writing() as session:
            return self.take(session)

    def soonest(self) -> float:
        """Seconds until the next row is due, or the next lease runs out; infinite if there is none."""
        moment = now()
        times = (self.table.next_attempt_at, self.table.lease_until)
        later = (func.min(time).filter(time > moment) for time in times)
        with self.database.reading() as session:
            (found,) = session.execute(select(*later).where(self.table.state == self.state)).all()
        return min(((time - moment).total_seconds() for time in found if time is not None), default=math.inf)

    def take(self, session: Session) -> int | None:
        """As `claim`, in the caller's transaction."""
        row = session.scalar(self._next().with_for_update(skip_locked=True))
        if row is None:
            return None
        if self.take_turns:  # whoever takes another row of this turn waits here until we have our lease
            session.scalar(_LOCKS[self.table](row).with_for_update(key_share=True))
        lease = {"lease_until": now() + self.lease, "attempts": self.table.attempts + 1}
        still = update(self.table).where(self.table.id == row, self._waiting()).values(**lease)
        return session.scalar(still.returning(self.table.id).execution_options(synchronize_session=False))

    @contextmanager
    def held(self, row: int) -> Iterator[None]:
        """Renew the lease of a claimed row while the block runs: however long a peer takes, nobody else begins."""
        over = Event()
        renewing = Thread(target=self._renew, args=(row, over), name=f"lease of {row}", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()

    def _renew(self, row: int, over: Event) -> None:
        while not over.wait(self.lease.total_seconds() / RENEWALS):
            try:
                with self.database.writing() as session:
                    ours = (self.table.id == row, self.table.lease_until.is_not(None))
                    session.execute(update(self.table).where(*ours).values(lease_until=now() + self.lease))
            except OperationalError as error:
                log.warning("lease not renewed", table=self.table.__tablename__, row=row, error=type(error).__name__)

    def put_off(self, row: int, error: str, state: State | None = None) -> None:
        """It did not work; try again after a pause that doubles each time, or leave it in another state."""
        with self.database.writing() as session:
            attempts = session.scalars(select(self.table.attempts).where(self.table.id == row)).one()
            values = {"last_error": error, "lease_until": None, "next_attempt_at": now() + self.pause(attempts)}
            if state is not None:
                values["state"] = state
            undone = (self.table.id == row, self.table.state == self.state)  # by another, if our lease ran out
            session.execute(update(self.table).where(*undone).values(**values))

    def pause(self, attempts: int) -> timedelta:
        """How long to wait after so many attempts."""
        doubled = self.first_pause * 2 ** min(max(0, attempts - 1), MOST_DOUBLINGS)
        return timedelta(seconds=min(doubled, self.longest_pause))

    def put_off_others(self, row: int) -> None:
        """The peer of this delivery is not there: what else waits for it waits as long."""
        put_off = select(Delivery.peer_id, Delivery.next_attempt_at).where(Delivery.id == row).subquery()
        others = (Delivery.peer_id == put_off.c.peer_id, Delivery.id != row, Delivery.state == self.state)
        sooner = Delivery.next_attempt_at < put_off.c.next_attempt_at
        with self.database.writing() as session:
            session.execute(
                update(Delivery)
                .where(*others, sooner)
                .values(next_attempt_at=put_off.c.next_attempt_at)
                .execution_options(synchronize_session=False)
            )

    def _next(self) -> Select[int]:
        """The row that is due first; of those due at once the one tried most, so that a mute peer's pauses grow."""
        return (
            select(self.table.id)
            .where(self._waiting())
            .order_by(self.table.next_attempt_at, self.table.attempts.desc())
            .limit(1)
        )

    def _waiting(self) -> ColumnElement[bool]:
        moment = now()
        free = or_(self.table.lease_until.is_(None), self.table.lease_until < moment)
        return and_(self.table.state == self.state, self.table.next_attempt_at <= moment, free, self._alone(moment))

    def _alone(self, moment: datetime) -> ColumnElement[bool]:
        if not self.take_turns:
            return true()
        other, turn = aliased(self.table), TURNS[self.table]
        same = getattr(other, turn) == getattr(self.table, turn)
        leased = exists().where(same, other.id != self.table.id, other.lease_until >= moment)
        return not_(leased.correlate(self.table))
