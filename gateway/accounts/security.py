"""Sign-in by Flask-Security, on our own `Person` and `PersonRole`; what a session is worth is for `sessions`."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import flask
from flask.typing import BeforeRequestCallable
from flask_login import user_logged_in, user_logged_out
from flask_security.core import Security
from flask_security.datastore import SQLAlchemySessionUserDatastore
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.orm import Session, scoped_session
from werkzeug.exceptions import TooManyRequests, Unauthorized

from config.database import Database
from config.settings import Settings
from gateway.accounts import guessing
from gateway.accounts.devices import Lifetime
from gateway.accounts.guessing import Attempt
from gateway.accounts.origins import require_own_origin
from gateway.accounts.people import allow_internal_domains
from gateway.accounts.sessions import Sessions, uses_bearer_token, viewer
from gateway.installation import Secrets
from worklist.models import Person, PersonRole

PASSWORDS = frozenset({"security.login", "security.verify", "portal.change_password"})  # where one is typed
READS = frozenset({"GET", "HEAD"})


def protect(app: flask.Flask, database: Database, settings: Settings, secrets: Secrets) -> None:
    """Give the application sign-in, sessions, CSRF protection and a limit on guessing passwords."""
    allow_internal_domains()
    app.config.update(_configuration(settings, secrets))
    csrf = CSRFProtect()
    csrf.init_app(app)
    sessions = Sessions(database, lifetime_of(settings))
    app.extensions["overread-sessions"] = sessions
    app.before_request(_forget_ended)
    people = scoped_session(database.readers)  # it stays open as long as the request; a writer would lock out the page
    Security(app, SQLAlchemySessionUserDatastore(people, Person, PersonRole))
    app.teardown_appcontext(lambda _error: people.remove())
    app.before_request(lambda: None if _proven_by_token() else _require_own_page(csrf, settings.public_url))
    app.before_request(lambda: _limit_guessing(database))
    _follow_sign_in(app, database, sessions)
    hooks = app.before_request_funcs[None]
    hooks[:] = [_but_for_images(hook) for hook in hooks]


def lifetime_of(settings: Settings) -> Lifetime:
    """How long a session lasts here."""
    return Lifetime(timedelta(hours=settings.web.session_hours), timedelta(hours=settings.web.idle_hours))


def _forget_ended() -> None:
    """Flask-Security reads the cookie by itself: it must not find somebody whose session has ended."""
    if "_user_id" in flask.session and not uses_bearer_token() and viewer() is None:
        flask.session.clear()


def _proven_by_token() -> bool:
    """Whether the request proves itself by a header that no other site can make a browser send.

    A header that proves nothing is no reason to look at anything else. Raises Unauthorized.
    """
    if uses_bearer_token() and viewer() is None and flask.request.method not in READS:
        raise Unauthorized("This token is nobody's, or it has expired. Get another with: overread token EMAIL")
    return uses_bearer_token()


def _require_own_page(csrf: CSRFProtect, public_url: str) -> None:
    """Let a cookie prove nothing for what a page of somebody else sends.

    A DICOMweb client in the browser knows no token of our forms: there the browser says whose page it is.
    """
    if flask.request.blueprint != "dicomweb":
        csrf.protect()
    elif viewer() is not None:
        require_own_origin(flask.request, public_url)


def _follow_sign_in(app: flask.Flask, database: Database, sessions: Sessions) -> None:
    """A session begins and ends with what Flask-Login says."""

    def begin(_app: flask.Flask, user: Person) -> None:
        with database.writing() as session:
            guessing.was_good(session, Attempt(user.email, flask.request.remote_addr or ""))
        sessions.begin(user.id)

    def end(_app: flask.Flask, **_who: object) -> None:
        sessions.end()

    user_logged_in.connect(begin, app, weak=False)
    user_logged_out.connect(end, app, weak=False)


def _but_for_images(hook: BeforeRequestCallable) -> BeforeRequestCallable:
    """Who reads images is asked by `dicomweb.rights` alone; what pages need would double the cost of a frame."""

    def unless_images() -> Any:
        request = flask.request
        return None if request.method in READS and request.blueprint == "dicomweb" else hook()

    return unless_images


def _limit_guessing(database: Database) -> None:
    """Let nobody try more passwords than a person does; nothing else is counted."""
    if flask.request.method == "POST" and flask.request.endpoint in PASSWORDS:
        with database.writing() as session:
            pause = guessing.pause_before(session, _attempt())
        if pause:
            raise TooManyRequests(retry_after=math.ceil(pause))


def password_was_good(session: Session) -> None:
    """A signed-in person gave their own password rightly: earlier mistakes are forgiven."""
    guessing.was_good(session, _attempt())


def _attempt() -> Attempt:
    who, request = viewer(), flask.request
    given = request.get_json(silent=True) if request.is_json else request.form
    email = given.get("email", "") if isinstance(given, dict) else ""
    return Attempt(f"person {who.person_id}" if who else str(email), request.remote_addr or "")


def _configuration(settings: Settings, secrets: Secrets) -> dict[str, object]:
    https = settings.public_url.startswith("https://")
    return {
        "SECRET_KEY": secrets.session_key,
        "SECURITY_PASSWORD_SALT": secrets.password_salt,
        "SECURITY_PASSWORD_HASH": "argon2",
        "SECURITY_PASSWORD_SINGLE_HASH": True,
        "SECURITY_RETURN_GENERIC_RESPONSES": True,  # nobody learns here who has an account
        "SECURITY_REGISTERABLE": False,
        "SECURITY_SEND_REGISTER_EMAIL": False,
        "SECURITY_POST_LOGIN_VIEW": "/",
        "SECURITY_POST_LOGOUT_VIEW": "/",
        "SECURITY_LOGOUT_METHODS": ["POST"],
        "SECURITY_FLASH_MESSAGES": False,
        "SECURITY_AUTO_LOGIN_AFTER_CONFIRM": False,
        "WTF_CSRF_CHECK_DEFAULT": False,
        "WTF_CSRF_TIME_LIMIT": None,
        "SESSION_COOKIE_NAME": "__Host-overread" if https else f"overread-{settings.http.port}",
        "SESSION_COOKIE_SECURE": https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=settings.web.session_hours),
        "REMEMBER_COOKIE_DURATION": timedelta(0),
    }
