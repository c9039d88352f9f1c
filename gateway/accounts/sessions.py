"""Who is asking: a browser by its session cookie, a program by its bearer token.

Frames are asked for by the thousand, so what a person may do is remembered (`gateway.accounts.remembered`) instead of
being read from the database each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import flask
from sqlalchemy import Select, select
from sqlalchemy.orm import Session, selectinload

from config.database import Database
from gateway.accounts import devices
from gateway.accounts.devices import Lifetime
from gateway.accounts.marks import Marks
from gateway.accounts.remembered import Remembered
from gateway.accounts.scopes import WHOLE, allows
from worklist.access import Viewer, viewer_of
from worklist.models import ApiToken, Person, WebSession, now

BEARER = "Bearer "
DEVICE = "device"  # in the cookie: which row of web_session it is


class _Known(NamedTuple):
    """What is remembered of a cookie or token. `scope` is that of a token."""

    viewer: Viewer | None
    scope: str


@dataclass(slots=True)
class Sessions:
    """Finds the person behind a request; signs browsers in and out."""

    database: Database
    lifetime: Lifetime
    _remembered: Remembered[_Known] = field(init=False)
    _marks: Marks = field(init=False)

    def __post_init__(self) -> None:
        self._remembered = Remembered(self.database)
        self._marks = Marks(self.database)

    def viewer(self) -> Viewer | None:
        """The rights of whoever sends the current request; None when nobody is signed in."""
        if uses_bearer_token():
            header = flask.request.headers["Authorization"]
            known = self._found("token:" + token_digest(header[len(BEARER) :].strip()))
            return known.viewer if allows(known.scope, flask.request) else None
        secret, person = flask.session.get(DEVICE), flask.session.get("_user_id")
        return self._found(f"cookie:{devices.digest(secret)}:{person}").viewer if secret and person else None

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

    def close(self) -> None:
        """Write down who was seen lately, for the last time."""
        self._marks.close()

    def rehearse(self) -> None:
        """Have the statements by which somebody is found; they find nobody. Raises SQLAlchemyError."""
        with self.database.reading() as session:
            self._of_token(session, "")
            self._of_cookie(session, "")
            session.scalars(_person(0, "")).one_or_none()

    def _found(self, key: str) -> _Known:
        return self._remembered.get(key, lambda: self._look_up(key))

    def _look_up(self, key: str) -> _Known:
        kind, _, value = key.partition(":")
        with self.database.reading() as session:
            person, scope = (
                self._of_token(session, value) if kind == "token" else (self._of_cookie(session, value), WHOLE)
            )
            return _Known(viewer_of(person) if person else None, scope)

    def _of_token(self, session: Session, sha256: str) -> tuple[Person | None, str]:
        token = session.scalars(
            select(ApiToken).where(ApiToken.sha256 == sha256, ApiToken.expires_at > now())
        ).one_or_none()
        if token is None or not token.person.active:
            return None, WHOLE
        if token.used_at is None or now() - token.used_at > devices.MARKED:
            self._marks.note(ApiToken, token.id)
        return token.person, token.scope

    def _of_cookie(self, session: Session, value: str) -> Person | None:
        sha256, _, uniquifier = value.partition(":")
        row = devices.find(session, sha256, self.lifetime)
        if row is None:
            return None
        if now() - row.used_at > devices.MARKED:
            self._marks.note(WebSession, row.id)
        return session.scalars(_person(row.person_id, uniquifier)).one_or_none()


def _person(row_id: int, uniquifier: str) -> Select[Person]:
    mine = (Person.id == row_id, Person.fs_uniquifier == uniquifier)
    return select(Person).where(Person.active, *mine).options(selectinload(Person.roles))


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
