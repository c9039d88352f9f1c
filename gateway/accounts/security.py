"""Sign-in by Flask-Security, on our own `Person` and `PersonRole`."""

from __future__ import annotations

from datetime import timedelta

import flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_security.core import Security
from flask_security.datastore import SQLAlchemySessionUserDatastore
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.orm import scoped_session

from config.database import Database
from config.settings import Settings
from gateway.accounts.sessions import Sessions, uses_bearer_token
from gateway.installation import Secrets
from worklist.models import Person, PersonRole

LOGIN_RATE = "10 per minute; 100 per hour"


def protect(app: flask.Flask, database: Database, settings: Settings, secrets: Secrets) -> None:
    """Give the application sign-in, sessions, CSRF protection and a limit on guessing passwords."""
    app.config.update(_configuration(settings, secrets))
    csrf = CSRFProtect()
    csrf.init_app(app)
    people = scoped_session(database.writers)
    Security(app, SQLAlchemySessionUserDatastore(people, Person, PersonRole))
    app.teardown_appcontext(lambda _error: people.remove())
    app.extensions["overread-sessions"] = Sessions(database)
    app.before_request(lambda: None if uses_bearer_token() else csrf.protect())
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://", auto_check=False)
    guess = limiter.limit(LOGIN_RATE, methods=["POST"])
    app.view_functions["security.login"] = guess(app.view_functions["security.login"])


def _configuration(settings: Settings, secrets: Secrets) -> dict[str, object]:
    https = settings.public_url.startswith("https://")
    return {
        "SECRET_KEY": secrets.session_key,
        "SECURITY_PASSWORD_SALT": secrets.password_salt,
        "SECURITY_PASSWORD_HASH": "argon2",
        "SECURITY_PASSWORD_SINGLE_HASH": True,
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
