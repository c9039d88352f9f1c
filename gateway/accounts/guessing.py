"""Guessing passwords is slow: for one address, and for one account whatever the address.

An account is never locked: whoever signs in from an address from which they did before is judged by the mistakes from
there alone, so that a stranger's guesses do not keep a doctor out. Attempts are rows, so that every web process counts
the same ones. An account that nobody has is counted like any other: the answers tell nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from worklist.models import SignInAttempt, now

PER_ADDRESS = ((timedelta(minutes=1), 10), (timedelta(hours=1), 100))  # mistakes: a hospital may share one address
FREE_HERE = 5  # mistakes with one account from one address, before it becomes slow
FREE_EVERYWHERE = 20  # with one account from all addresses
MOST_COUNTED = 32
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds; doubles with every mistake
FORGOTTEN = timedelta(hours=1)  # mistakes
KNOWN = timedelta(days=30)  # addresses from which somebody signed in


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries to sign in, and from where."""

    email: str
    address: str

    @property
    def account(self) -> str:
        """The account, in a form that says nobody's name."""
        return hashlib.sha256(self.email.strip().lower().encode("utf-8", "replace")).hexdigest()


def pause_before(session: Session, attempt: Attempt) -> float:
    """The seconds for which this attempt must wait; 0.0 if it may be made now, and then it is counted."""
    moment = now()
    pause = max(_pause_of_address(session, attempt, moment), _pause_of_account(session, attempt, moment))
    if not pause:
        session.add(SignInAttempt(at=moment, account=attempt.account, address=attempt.address))
        session.execute(delete(SignInAttempt).where(SignInAttempt.at < moment - KNOWN))
    return pause


def was_good(session: Session, attempt: Attempt) -> None:
    """The last attempt was the right password: earlier mistakes are forgiven."""
    last = select(func.max(SignInAttempt.id)).where(*_of(attempt)).scalar_subquery()
    session.execute(update(SignInAttempt).where(SignInAttempt.id == last).values(good=True))


def _pause_of_address(session: Session, attempt: Attempt, moment: datetime) -> float:
    for window, most in PER_ADDRESS:
        recent = (SignInAttempt.address == attempt.address, SignInAttempt.at > moment - window, ~SignInAttempt.good)
        count, oldest = session.execute(select(func.count(), func.min(SignInAttempt.at)).where(*recent)).one()
        if count >= most:
            return float(max(1.0, (oldest + window - moment).total_seconds()))
    return 0.0


def _pause_of_account(session: Session, attempt: Attempt, moment: datetime) -> float:
    """One who keeps making mistakes here waits; so do strangers, when many of them try the same account."""
    last_good = select(func.max(SignInAttempt.id)).where(*_of(attempt), SignInAttempt.good)
    known = session.scalar(last_good)
    here = _mistakes(session, (*_of(attempt), SignInAttempt.id > (known or 0)), moment)
    everywhere = [] if known else _mistakes(session, _of(attempt)[:1], moment)
    return max(_pause_after(here, FREE_HERE, moment), _pause_after(everywhere, FREE_EVERYWHERE, moment))


def _of(attempt: Attempt) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SignInAttempt.account == attempt.account, SignInAttempt.address == attempt.address


def _mistakes(session: Session, which: Sequence[ColumnElement[bool]], moment: datetime) -> Sequence[datetime]:
    """When these were made, the last one first."""
    query = select(SignInAttempt.at).where(*which, SignInAttempt.at > moment - FORGOTTEN, ~SignInAttempt.good)
    return session.scalars(query.order_by(SignInAttempt.id.desc()).limit(MOST_COUNTED)).all()


def _pause_after(mistakes: Sequence[datetime], free: int, moment: datetime) -> float:
    if len(mistakes) < free:
        return 0.0
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (len(mistakes) - free))
    return max(0.0, (mistakes[0] + timedelta(seconds=pause) - moment).total_seconds())
