"""Where somebody is signed in: one row for each browser. Without its row a cookie is worth nothing."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, func, not_, select, update
from sqlalchemy.orm import Session

from worklist.models import ApiToken, Person, WebSession, now

LONGEST_BROWSER = 255
MARKED = timedelta(minutes=1)  # how exactly we know when a session was last used


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lasts: in all, and without being used."""

    whole: timedelta
    idle: timedelta


def begin(session: Session, person_id: int, address: str, browser: str) -> str:
    """Sign a browser in; its secret, of which we keep the digest only."""
    secret = secrets.token_urlsafe(32)
    row = WebSession(person_id=person_id, sha256=digest(secret), address=address, browser=browser[:LONGEST_BROWSER])
    session.add(row)
    return secret


def find(session: Session, sha256: str, lifetime: Lifetime) -> WebSession | None:
    """The session with this digest, if it has not ended."""
    return session.scalars(select(WebSession).where(WebSession.sha256 == sha256, *_alive(lifetime))).one_or_none()


def mark_used(session: Session, table: type[WebSession | ApiToken], row_id: int) -> None:
    """Remember that a session or token is in use."""
    session.execute(update(table).where(table.id == row_id).values(used_at=now()))


def end(session: Session, sha256: str) -> None:
    """Sign one browser out."""
    session.execute(delete(WebSession).where(WebSession.sha256 == sha256))


def end_one(session: Session, person_id: int, row_id: int) -> None:
    """Sign out one browser of this person; nothing happens if it is not theirs."""
    session.execute(delete(WebSession).where(WebSession.id == row_id, WebSession.person_id == person_id))


def end_others(session: Session, person_id: int, sha256: str) -> None:
    """Sign this person out of every browser but the one with this digest."""
    session.execute(delete(WebSession).where(WebSession.person_id == person_id, WebSession.sha256 != sha256))


def end_all(session: Session, person: Person) -> None:
    """Sign this person out everywhere, and take all their tokens away."""
    person.fs_uniquifier = secrets.token_hex(32)
    for table in (WebSession, ApiToken):
        session.execute(delete(table).where(table.person_id == person.id))


def sweep(session: Session, lifetime: Lifetime) -> None:
    """Forget sessions that have ended by themselves."""
    session.execute(delete(WebSession).where(not_(and_(*_alive(lifetime)))))


def of_person(session: Session, person_id: int, lifetime: Lifetime) -> Sequence[WebSession]:
    """Where this person is signed in, the newest use first."""
    mine = select(WebSession).where(WebSession.person_id == person_id, *_alive(lifetime))
    return session.scalars(mine.order_by(WebSession.used_at.desc(), WebSession.id)).all()


def count_tokens(session: Session, person_id: int) -> int:
    """How many programs may act for this person now."""
    mine = select(func.count(ApiToken.id)).where(ApiToken.person_id == person_id, ApiToken.expires_at > now())
    return session.scalar(mine) or 0


def _alive(lifetime: Lifetime) -> tuple[ColumnElement[bool], ...]:
    moment = now()
    return (WebSession.created_at > moment - lifetime.whole, WebSession.used_at > moment - lifetime.idle)


def digest(secret: str) -> str:
    """What the database knows of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
