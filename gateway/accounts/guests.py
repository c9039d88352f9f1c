"""Somebody without an account who opened a link: known by the session cookie, for images and the link's page alone."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace

import flask
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from werkzeug.exceptions import TooManyRequests

from config.database import Database
from gateway.accounts import guessing
from gateway.accounts.devices import digest
from gateway.accounts.guessing import Attempt
from gateway.accounts.remembered import Remembered
from gateway.accounts.sessions import viewer
from worklist import sharing
from worklist.access import NOBODY, Link, Viewer

VISIT = "visit"  # in the cookie: the secret of a row of share_visit
PIN_DIGITS = 6
HASHER = PasswordHasher()


@dataclass(slots=True)
class Guests:
    """Opens links, and finds the one behind a request."""

    database: Database
    _remembered: Remembered[Link | None] = field(init=False)
    _nobodys: str = field(default_factory=lambda: HASHER.hash(secrets.token_urlsafe(16)))

    def __post_init__(self) -> None:
        self._remembered = Remembered(self.database)

    def link(self) -> Link | None:
        """What the current request may see by a link; one that was ended is over with the next request."""
        secret = flask.session.get(VISIT)
        if not secret:
            return None
        sha256 = digest(secret)
        return self._remembered.get(sha256, lambda: self._look_up(sha256))

    def open(self, secret: str, second: str) -> bool:
        """Open a link in the current browser if both secrets are right. Raises TooManyRequests."""
        link_digest, address = digest(secret), flask.request.remote_addr or ""
        attempt = Attempt(f"link {link_digest}", address)
        with self.database.writing() as session:
            pause = guessing.pause_before(session, attempt)
            link = None if pause else sharing.begin_attempt(session, link_digest)
            link_id, factor = (link.id, link.factor) if link else (0, self._nobodys)  # as long a look
        if pause:
            raise TooManyRequests(retry_after=max(1, round(pause)))
        if not _is(factor, plain(second)) or not link_id:
            return False
        visit = flask.session[VISIT] = secrets.token_urlsafe(32)
        with self.database.writing() as session:
            guessing.was_good(session, attempt)
            sharing.was_good(session, link_id, digest(visit), address)
        return True

    def close(self) -> None:
        """Let the current browser look no longer."""
        secret = flask.session.pop(VISIT, None)
        if secret:
            with self.database.writing() as session:
                sharing.end_visit(session, digest(secret))
            self.forget()

    def forget(self) -> None:
        """Ask the database again from now on."""
        self._remembered.forget()

    def _look_up(self, sha256: str) -> Link | None:
        with self.database.reading() as session:
            return sharing.shown_to(session, sha256)


def hashed(second: str) -> str:
    """What the database knows of a second secret."""
    return HASHER.hash(plain(second))


def new_pin() -> str:
    """A PIN that nobody chose."""
    return f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}}"


def plain(second: str) -> str:
    """A birth date or PIN by its digits alone, however it is written: 1961-07-04 is 19610704."""
    return re.sub(r"[^0-9]", "", second)[:32]


def guests() -> Guests:
    """The application's own."""
    found = flask.current_app.extensions["overread-guests"]
    assert isinstance(found, Guests)  # noqa: S101  # put there by create_app
    return found


def beholder() -> Viewer | None:
    """Whoever asks for images: a signed-in person, somebody with a link, or both in one; None for nobody."""
    who, link = viewer(), guests().link()
    return replace(who or NOBODY, link=link) if link else who


def _is(hash_of_it: str, second: str) -> bool:
    try:
        return HASHER.verify(hash_of_it, second)
    except (VerificationError, InvalidHashError):
        return False
