"""Sign-in by Flask-Security, on our own `Person` and `PersonRole`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
from flask.typing import BeforeRequestCallable
from flask_security.core import Security
from flask_security.datastore import SQLAlchemySessionUserDatastore
from flask_wtf.csrf import CSRFProtect
from limits import parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy.orm import scoped_session
from werkzeug.exceptions import TooManyRequests

from config.database import Database
from config.settings import Settings
from gateway.accounts.sessions import Sessions, uses_bearer_token
from gateway.installation import Secrets
from worklist.models import Person, PersonRole

LOGIN_RATE = "10 per minute; 100 per hour"
READS = frozenset({"GET", "HEAD"})


def protect(app: flask.Flask, database: Database, settings: Settings, secrets: Secrets) -> None:
    """Give the application sign-in, sessions, CSRF protection and a limit on guessing passwords."""
    app.config.update(_configuration(settings, secrets))
    csrf = CSRFProtect()
    csrf.init_app(app)
    people = scoped_session(database.readers)  # it stays open as long as the request; a writer would lock out the page
    Security(app, SQLAlchemySessionUserDatastore(people, Person, PersonRole))
    app.teardown_appcontext(lambda _error: people.remove())
    app.extensions["overread-sessions"] = Sessions(database)
    app.before_request(lambda: None if uses_bearer_token() else csrf.protect())
    app.before_request(_limit_guessing())
    hooks = app.before_request_funcs[None]
    hooks[:] = [_but_for_images(hook) for hook in hooks]


def _but_for_images(hook: BeforeRequestCallable) -> BeforeRequestCallable:
    """Who reads images is asked by `dicomweb.rights` alone; what pages need would double the cost of a frame."""

    def unless_images() -> Any:
        request = flask.request
        return None if request.method in READS and request.blueprint == "dicomweb" else hook()

    return unless_images


def _limit_guessing() -> Callable[[], None]:
    """Refuse more attempts to sign in from one address than a person makes; nothing else is counted."""
    limiter, rates = MovingWindowRateLimiter(MemoryStorage()), parse_many(LOGIN_RATE)

    def check() -> None:
        request = flask.request
        if request.method == "POST" and request.endpoint == "security.login":
            address = request.remote_addr or ""
            if not all(limiter.hit(rate, "login", address) for rate in rates):
                raise TooManyRequests

    return check


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
