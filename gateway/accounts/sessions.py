"""Who is asking: a browser by its session cookie, a program by its bearer token.

Frames are asked for by the thousand, so what a person may do is remembered for a moment instead of being read from
the database each time; a right that was taken away is gone after at most `REMEMBERED` seconds.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

import flask
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from config.database import Database
from worklist.access import Viewer, viewer_of
from worklist.models import ApiToken, Person, now

REMEMBERED = 3.0
BEARER = "Bearer "


@dataclass(slots=True)
class Sessions:
    """Finds the person behind a request."""

    database: Database
    _known: dict[str, tuple[float, Viewer | None]] = field(default_factory=dict)

    def viewer(self) -> Viewer | None:
        """The rights of whoever sends the current request; None when nobody is signed in."""
        header = flask.request.headers.get("Authorization", "")
        if header.startswith(BEARER):
            return self._remembered("token:" + token_digest(header[len(BEARER) :].strip()))
        uniquifier = flask.session.get("_user_id")
        return self._remembered(f"cookie:{uniquifier}") if uniquifier else None

    def _remembered(self, key: str) -> Viewer | None:
        until, viewer = self._known.get(key, (0.0, None))
        if time.monotonic() < until:
            return viewer
        if len(self._known) > 10_000:
            self._known.clear()
        with self.database.reading() as session:
            person = _person(session, key)
            viewer = viewer_of(person) if person else None
        self._known[key] = (time.monotonic() + REMEMBERED, viewer)
        return viewer


def _person(session: Session, key: str) -> Person | None:
    kind, _, value = key.partition(":")
    query = select(Person).where(Person.active).options(selectinload(Person.roles))
    if kind == "cookie":
        query = query.where(Person.fs_uniquifier == value)
    else:
        query = query.join(ApiToken).where(ApiToken.sha256 == value, ApiToken.expires_at > now())
    return session.scalars(query).one_or_none()


def token_digest(token: str) -> str:
    """What the database knows of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def uses_bearer_token() -> bool:
    """Whether the request proves itself by a header that no other site can make a browser send."""
    return flask.request.headers.get("Authorization", "").startswith(BEARER)


def sessions() -> Sessions:
    """The application's own."""
    found = flask.current_app.extensions["overread-sessions"]
    assert isinstance(found, Sessions)  # noqa: S101  # put there by create_app
    return found


def viewer() -> Viewer | None:
    """The rights of whoever sends the current request; None when nobody is signed in."""
    return sessions().viewer()
