"""Who is asking: a browser by its session cookie, a program by its bearer token.

Frames are asked for by the thousand, so what a person may do is remembered (`gateway.accounts.remembered`) instead of
being read from the database each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, selectinload

from config.database import Database
from gateway.accounts import devices
from gateway.accounts.devices import Lifetime
from gateway.accounts.remembered import Remembered
from worklist.access import Viewer, viewer_of
from worklist.models import ApiToken, Person, now

BEARER = "Bearer "
DEVICE = "device"  # in the cookie: which row of web_session it is


@dataclass(slots=True)
class Sessions:
    """Finds the person behind a request; signs browsers in and out."""

    database: Database
    lifetime: Lifetime
    _remembered: Remembered[Viewer | None] = field(init=False)

    def __post_init__(self) -> None:
        self._remembered = Remembered(self.database)

    def viewer(self) -> Viewer | None:
        """The rights of whoever sends the current request; None when nobody is signed in."""
        if uses_bearer_token():
            header = flask.request.headers["Authorization"]
            return self._found("token:" + token_digest(header[len(BEARER) :].strip()))
        secret, person = flask.session.get(DEVICE), flask.session.get("_user_id")
        return self._found(f"cookie:{devices.digest(secret)}:{person}") if secret and person else None

    def begin(self, person_id: int) -> None:
        """The person of the current request has signed in."""
        with self.database.writing() as session:
            devices.sweep(session, self.lifetime)
            flask.session[DEVICE] = devices.begin(
                session, person_id, flask.request.remote_addr or "", flask.request.user_agent.string
            )

    def end(self) -> None:
        """The current request's browser is signed out, wherever a copy of its cookie may be."""
        secret = flask.session.pop(DEVICE, None)
        if secret:
            with self.database.writing() as session:
                devices.end(session, devices.digest(secret))
            self.forget()

    def forget(self) -> None:
        """Ask the database again from now on."""
        self._remembered.forget()

    def _found(self, key: str) -> Viewer | None:
        return self._remembered.get(key, lambda: self._look_up(key))

    def _look_up(self, key: str) -> Viewer | None:
        with self.database.reading() as session:
            person = self._person(session, key)
            return viewer_of(person) if person else None

    def _person(self, session: Session, key: str) -> Person | None:
        kind, _, value = key.partition(":")
        query = select(Person).where(Person.active).options(selectinload(Person.roles))
        if kind == "token":
            query = query.join(ApiToken).where(ApiToken.sha256 == value, ApiToken.expires_at > now())
            return session.scalars(query).one_or_none()
        sha256, _, uniquifier = value.partition(":")
        row = devices.find(session, sha256, self.lifetime)
        if row is None:
            return None
        if now() - row.used_at > devices.MARKED:
            self._mark(row.id)
        mine = query.where(Person.id == row.person_id, Person.fs_uniquifier == uniquifier)
        return session.scalars(mine).one_or_none()

    def _mark(self, row_id: int) -> None:
        try:
            with self.database.writing() as session:
                devices.mark_used(session, row_id)
        except OperationalError:
            return  # the database is busy: the next request marks it


def this_device() -> str:
    """The digest of the browser that sends the current request; "" for a program."""
    secret = None if uses_bearer_token() else flask.session.get(DEVICE)
    return devices.digest(secret) if secret else ""


def token_digest(token: str) -> str:
    """What the database knows of a token."""
    return devices.digest(token)


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
