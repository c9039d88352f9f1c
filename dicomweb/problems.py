"""Everything that can go wrong with a DICOMweb request, and its answer as problem+json (RFC 9457).

What a person may not see is answered exactly like what does not exist: `NOT_FOUND`, always the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson
import structlog
from flask import Blueprint, Response, make_response
from werkzeug.exceptions import HTTPException, RequestedRangeNotSatisfiable

from orthanc.errors import (
    AlteredInArchive,
    ArchiveRefused,
    ArchiveUnavailable,
    DecoderBusy,
    NoSuchBulk,
    NoSuchFrame,
    Undecodable,
    Unreadable,
)

PROBLEM_JSON: Final = "application/problem+json"
NOT_FOUND_DETAIL: Final = "There is nothing here that you may see."
RETRY_SECONDS: Final = 5

log = structlog.get_logger()


class Problem(Exception):  # noqa: N818 - the RFC's word
    """The request ends here, with this status and these words for whoever reads the answer."""

    def __init__(self, status: HTTPStatus, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def bad_request(detail: str) -> Problem:
    """400: the request is not written as PS3.18 requires."""
    return Problem(HTTPStatus.BAD_REQUEST, detail)


def not_found() -> Problem:
    """404, for what is absent and for what is not theirs."""
    return Problem(HTTPStatus.NOT_FOUND, NOT_FOUND_DETAIL)


def not_acceptable(detail: str) -> Problem:
    """406: none of the asked representations can be made."""
    return Problem(HTTPStatus.NOT_ACCEPTABLE, detail)


def unauthorized() -> Problem:
    """401: nobody is signed in."""
    return Problem(HTTPStatus.UNAUTHORIZED, "Sign in, or send a bearer token.", (("WWW-Authenticate", "Bearer"),))


@dataclass(frozen=True, slots=True)
class Answer:
    """How an error of a lower package is told."""

    status: HTTPStatus
    detail: str
    again: bool = False


ANSWERS: Final[dict[type[Exception], Answer]] = {
    AlteredInArchive: Answer(
        HTTPStatus.SERVICE_UNAVAILABLE, "The archive does not give back what it took.", again=True
    ),
    ArchiveUnavailable: Answer(HTTPStatus.SERVICE_UNAVAILABLE, "The archive does not answer now.", again=True),
    DecoderBusy: Answer(HTTPStatus.SERVICE_UNAVAILABLE, "Every decoder is at work.", again=True),
    ArchiveRefused: Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "The archive does not have what it should have."),
    Unreadable: Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "The instance cannot be read."),
    NoSuchBulk: Answer(HTTPStatus.NOT_FOUND, NOT_FOUND_DETAIL),
    NoSuchFrame: Answer(HTTPStatus.NOT_FOUND, NOT_FOUND_DETAIL),
    Undecodable: Answer(HTTPStatus.NOT_ACCEPTABLE, "These pixels cannot be rendered."),
}


def problem_response(status: HTTPStatus, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Build the answer; it says nothing that was in the request."""
    body = orjson.dumps({"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail})
    response = Response(body, status.value, content_type=PROBLEM_JSON)
    response.headers.extend((("Cache-Control", "no-store"), *headers))
    return response


def answer_problems(blueprint: Blueprint) -> None:
    """Make every error inside the blueprint a problem+json answer."""
    blueprint.register_error_handler(Problem, _of_problem)
    blueprint.register_error_handler(HTTPException, _of_http)
    for kind in ANSWERS:
        blueprint.register_error_handler(kind, _of_known)


def _of_problem(problem: Problem) -> Response:
    return problem_response(problem.status, problem.detail, problem.headers)


def _of_http(error: HTTPException) -> Response:
    if error.code is None or error.response is not None:
        return make_response(error.get_response())
    response = problem_response(HTTPStatus(error.code), error.description or HTTPStatus(error.code).phrase)
    if isinstance(error, RequestedRangeNotSatisfiable) and error.length is not None:
        response.headers["Content-Range"] = f"bytes */{error.length}"
    return response


def _of_known(error: Exception) -> Response:
    answer = next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("a DICOMweb request failed", error=type(error).__name__, reason=str(error))
    again = (("Retry-After", str(RETRY_SECONDS)),) if answer.again else ()
    return problem_response(answer.status, answer.detail, again)
