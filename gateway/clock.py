"""A clock that was set back: what is written down as later than it can be would wait until that time comes again.

It is brought back to now, so that leases run out, attempts are made, quiet ends and nobody stays locked out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute

from config.database import Database
from gateway.due import LEASE
from worklist.models import Commitment, Delivery, Prior, PriorSearch, Report, SignInAttempt, Study, Trouble, now

log = structlog.get_logger()
STEP_SECONDS = 1.0  # less than that may be two readings of a busy machine
PAST = (Study.last_at, Trouble.carried_at, Commitment.received_at, SignInAttempt.at)
"""When something happened."""
RECEIVED = (Study.last_at, Commitment.received_at)
"""What a receiver says: of what still waited in the inbox it comes here only after the clock was set back."""
_CARRIED_ON = (Report, Delivery, Commitment, PriorSearch, Prior)
ATTEMPTS = tuple(each.next_attempt_at for each in _CARRIED_ON)
LEASES = tuple(each.lease_until for each in _CARRIED_ON)
BETWEEN_NODES = timedelta(minutes=1)  # so far may the clocks of several machines be apart
Moment = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]


@dataclass(slots=True)
class Clock:
    """Looks whether the clock was set back, while this process runs and before it did."""

    database: Database
    longest_pause: float  # seconds between two attempts
    _ahead: float = field(default=float("inf"))  # of the clock that nobody sets

    def step(self) -> bool:
        """Bring back what is too late, if the clock was set back since the last step or before the first.

        What was received is brought back whenever it is too late.
        """
        ahead = time.time() - time.monotonic()
        if ahead < self._ahead - STEP_SECONDS:
            self._bring_back()
        elif self._received_too_late():
            self._say(self._too_late(RECEIVED, timedelta()))
        self._ahead = ahead
        return False

    def _bring_back(self) -> None:
        pause = timedelta(seconds=self.longest_pause)
        moved = [
            *self._too_late(PAST, timedelta()),
            *self._too_late(ATTEMPTS, pause),
            *self._too_late(LEASES, LEASE),
        ]
        self._say(moved)

    def _say(self, moved: Sequence[tuple[str, int]]) -> None:
        if any(count for _, count in moved):
            log.warning("the clock was set back", brought_back={name: count for name, count in moved if count})

    def _received_too_late(self) -> bool:
        """A look that takes no lock."""
        with self.database.reading() as session:
            looks = (select(column.class_.id).where(column > now() + BETWEEN_NODES).limit(1) for column in RECEIVED)
            return any(session.scalar(look) is not None for look in looks)

    def _too_late(self, columns: Sequence[Moment], most: timedelta) -> list[tuple[str, int]]:
        moment, done = now(), []
        with self.database.writing() as session:
            for column in columns:
                late = update(column.class_).where(column > moment + most + BETWEEN_NODES).values({column: moment})
                rows = session.execute(late.returning(column.class_.id).execution_options(synchronize_session=False))
                done.append((str(column), len(rows.all())))
        return done
