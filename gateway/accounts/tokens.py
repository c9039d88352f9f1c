"""Bearer tokens: made for a purpose and a time, known to us by their digest, taken away at once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.accounts.devices import digest
from gateway.accounts.scopes import WHOLE
from worklist.models import ApiToken, AuditLine, now

LIFE = timedelta(days=90)
LIVES = (30, 90, 365)  # days, on the page
MOST = 50  # of one person


class TooManyTokens(Exception):
    """This person has as many as one may have."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a token is for, in words; what it may be used for (`scopes.SCOPES`); and how long."""

    name: str = ""
    scope: str = WHOLE
    life: timedelta = LIFE


def issue(session: Session, person_id: int, purpose: Purpose) -> str:
    """Make a token that acts as this person within its scope; it is told now and never again."""
    secret = secrets.token_urlsafe(32)
    told = {"sha256": digest(secret), "name": purpose.name, "scope": purpose.scope}
    session.add(ApiToken(person_id=person_id, expires_at=now() + purpose.life, **told))
    return secret


def issue_here(session: Session, person_id: int, purpose: Purpose) -> str:
    """As `issue`, on a page: noted, and within bounds. Raises TooManyTokens."""
    if len(of_person(session, person_id)) >= MOST:
        raise TooManyTokens(f"You have {MOST} tokens already. Take one away first.")
    _note(session, person_id, "make a token", f"{purpose.scope}, {purpose.life.days} days")
    return issue(session, person_id, purpose)


def of_person(session: Session, person_id: int) -> Sequence[ApiToken]:
    """The tokens of a person that are still good, the newest first."""
    mine = select(ApiToken).where(ApiToken.person_id == person_id, ApiToken.expires_at > now())
    return session.scalars(mine.order_by(ApiToken.id.desc())).all()


def take_away(session: Session, person_id: int, token_id: int) -> None:
    """End a token of this person; nothing happens if it is not theirs."""
    mine = select(ApiToken).where(ApiToken.id == token_id, ApiToken.person_id == person_id)
    token = session.scalars(mine).one_or_none()
    if token is not None:
        _note(session, person_id, "take a token away", f"{token.scope}, made {token.created_at:%Y-%m-%d}")
        session.delete(token)


def _note(session: Session, person_id: int, action: str, detail: str) -> None:
    session.add(AuditLine(person_id=person_id, action=action, detail=detail))
