"""What an exception means to whoever asked: one table from exception to HTTP status (RFC 9457 for programs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import flask
import orjson
import structlog
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, TooManyRequests

from orthanc.errors import ArchiveUnavailable, NotInArchive
from sr_reports.errors import InvalidOpinion, Unreportable
from worklist.asking import NotSignedIn
from worklist.lifecycle import NoImages, NotAllowed, NotFound, WrongState
from worklist.routes import Invalid
from worklist.seen import Unseen

log = structlog.get_logger()

# exception -> status, title; the detail is the exception's own sentence
STATUSES: dict[type[Exception], tuple[int, str]] = {
    Invalid: (400, "What was sent cannot be used"),
    InvalidOpinion: (400, "What was sent cannot be used"),
    Unreportable: (422, "The report cannot be made like this"),
    NotSignedIn: (401, "You are not signed in"),
    NotAllowed: (403, "You cannot do this"),
    NotFound: (404, "Not found"),
    NotInArchive: (404, "Not found"),
    NoImages: (409, "There are no images yet"),
    WrongState: (409, "This was changed meanwhile"),
    Unseen: (409, "Look again before you sign"),
    ArchiveUnavailable: (503, "The image archive does not answer"),
    OperationalError: (503, "The database does not answer"),
}
TITLES = {
    400: "What was sent cannot be used",
    401: "You are not signed in",
    403: "You cannot do this",
    404: "Not found",
    405: "Not possible here",
    408: "It took too long",
    413: "Too large",
    429: "Too many attempts",
    431: "Too much was sent along",
    500: "Something went wrong on our side",
}
DETAILS = {
    401: "Sign in, or send a bearer token that has not expired.",
    404: "There is nothing here, or nothing that you may see.",
    405: "This address does not take that kind of request.",
    408: "What was sent did not arrive in time. Send it again.",
    413: "What was sent is larger than this installation takes.",
    429: "Wait a minute, then try again.",
    431: "What came with the request (its head) is too long. Delete this site's cookies, then try again.",
    500: "The error was noted. Try again; if it comes back, tell your coordinator when it happened.",
}
OLD_PAGE = (
    "The page was open for too long, or somebody has signed in anew in this browser. Go back, load it again, and "
    "send it once more."
)
RETRY_AFTER = "5"
Page = Callable[[int, str, str], str]
Members = Mapping[str, object]
NO_MEMBERS: Members = {}


def answer_errors(app: flask.Flask, page: Page) -> None:
    """Let every error of the application be answered from the tables above; `page` renders one for people."""
    for kind in STATUSES:
        app.register_error_handler(kind, lambda error: _known(error, page))
    app.register_error_handler(HTTPException, lambda error: _http(error, page))
    app.register_error_handler(Exception, lambda error: _unknown(error, page))


def _known(error: Exception, page: Page) -> flask.Response:
    status, title = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    detail = "Try again in a moment." if isinstance(error, OperationalError) else str(error)
    if status == 503:
        log.warning("unavailable", error=type(error).__name__)
    return _answer(page, status, title, detail, _members(error))


def _members(error: Exception) -> Members:
    """What a program gets beside the sentence (RFC 9457, section 3.2)."""
    if isinstance(error, Invalid):
        return {"problems": list(error.problems)}
    return error.members if isinstance(error, Unseen) else NO_MEMBERS


def _http(error: HTTPException, page: Page) -> flask.Response:
    if error.response is not None and isinstance(error.response, flask.Response):
        return error.response
    status = error.code or 500
    if status < 400:
        return flask.make_response(error.get_response())
    detail = OLD_PAGE if isinstance(error, CSRFError) else DETAILS.get(status) or error.description or ""
    response = _answer(page, status, TITLES.get(status, error.name), detail)
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after or RETRY_AFTER)
    if isinstance(error, MethodNotAllowed):
        response.allow.update(error.valid_methods or ())  # RFC 9110 section 15.5.6
    return response


def _unknown(error: Exception, page: Page) -> flask.Response:
    log.error("unexpected error", path=flask.request.url_rule and flask.request.url_rule.rule, exc_info=error)
    return _answer(page, 500, TITLES[500], DETAILS[500])


def _answer(page: Page, status: int, title: str, detail: str, members: Members = NO_MEMBERS) -> flask.Response:
    if _asked_by_program():
        response = _problem(status, title, detail, members)
    elif status == 401:
        return flask.make_response(flask.redirect(flask.url_for("security.login", next=flask.request.full_path)))
    else:
        response = flask.make_response(page(status, title, detail), status)
    if status == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="overread"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _asked_by_program() -> bool:
    path = flask.request.path
    return path.startswith(("/api/", "/dicom-web", "/health", "/metrics")) or flask.request.is_json


def _problem(status: int, title: str, detail: str, members: Members) -> flask.Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    return flask.Response(orjson.dumps(body), status, content_type="application/problem+json")
