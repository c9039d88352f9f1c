"""STOW-RS: store instances (PS3.18 section 10.5).

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.5.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from dicomweb.accept import MULTIPART, Offer, media_type_of
from dicomweb.holdings import studies_in_sight
from dicomweb.keeping import FailureReason, Keeper, Kept, NotKept, Takes
from dicomweb.problems import RETRY_SECONDS, Problem, bad_request, not_found
from dicomweb.received import BadBody, Part, TooLarge, read_parts, read_single
from dicomweb.rights import current_root, current_sight, require_case
from dicomweb.roots import add_route
from dicomweb.services import Services
from dicomweb.target import negotiate
from dicomweb.xml_model import native_model

XML: Final = Offer("application/dicom+xml")
OFFERS: Final = (Offer("application/dicom+json"), Offer("application/json"), XML)
DICOM: Final = "application/dicom"

MOST_WARNINGS: Final = 5
"""Reasons that are told in words; a Failure Reason is a number, and the response module has no place for them."""

log = structlog.get_logger()


@dataclass(slots=True)
class StoreResult:
    """What became of the instances of one request."""

    kept: list[Kept] = field(default_factory=list)
    failed: list[NotKept] = field(default_factory=list)

    @property
    def status(self) -> HTTPStatus:
        """Table 10.5.3-1: all kept, some, or none; none for want of room is worth another try."""
        if not self.failed:
            return HTTPStatus.OK
        if self.kept:
            return HTTPStatus.ACCEPTED
        if all(one.reason == FailureReason.OUT_OF_RESOURCES for one in self.failed):
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.CONFLICT

    @property
    def why(self) -> list[str]:
        """Why instances were not kept, each reason once, as a header takes it."""
        plain = (str(one).encode("ascii", "replace").decode() for one in self.failed)
        return list(dict.fromkeys(" ".join(words.split()) for words in plain))

    def take(self, part: Part, keeper: Keeper) -> None:
        """Have one part kept, and remember what became of it."""
        if part.media_type not in {"", DICOM}:
            self.refuse(keeper, "A part is no application/dicom.")
            return
        try:
            self.kept.append(keeper.keep(part.content))
        except NotKept as refused:
            self.failed.append(refused)
        except OSError:
            log.exception("could not keep an instance")
            self.failed.append(NotKept(FailureReason.OUT_OF_RESOURCES, "There is no room for the instance now."))

    def refuse(self, keeper: Keeper, words: str) -> None:
        """Remember, and have noted, what could not be looked at."""
        self.failed.append(refusal := NotKept(FailureReason.CANNOT_UNDERSTAND, words))
        keeper.note(refusal)


def add_store_routes(blueprint: Blueprint, services: Services) -> None:
    """Both targets of table 10.5-1."""

    add_route(blueprint, "/studies", "store_instances", partial(_answer, services), "POST")
    add_route(blueprint, "/studies/<study_uid>", "store_study_instances", partial(_answer, services), "POST")


def store(services: Services, keeper: Keeper, boundary: str | None) -> StoreResult:
    """Keep every instance of the current request's body; without a boundary the body is one.

    A body that breaks off keeps what came whole, and is noted.
    """
    result = StoreResult()
    limits, spool = services.store_limits, services.spool
    request.max_content_length = limits.total_bytes
    try:
        if boundary is None:
            read_single(request.stream, _length(), limits, spool, lambda part: result.take(part, keeper))
        else:
            read_parts(request.stream, boundary, limits, spool, lambda part: result.take(part, keeper))
    except (BadBody, TooLarge, ClientDisconnected, RequestEntityTooLarge) as error:
        problem = _as_problem(error)
        if not result.kept:
            raise problem from error
        result.refuse(keeper, problem.detail)
    if not result.kept and not result.failed:
        raise bad_request("The body has no part.")
    return result


def _answer(services: Services, study_uid: str = "") -> Response:
    offer = negotiate(*OFFERS)
    keeper = services.store_target(current_sight(), _takes(services, study_uid))
    if keeper is None:
        raise Problem(HTTPStatus.FORBIDDEN, "You may not store instances here.")
    try:
        result = store(services, keeper, _boundary())
    except Problem as problem:  # nothing of it could be kept, or even looked at
        keeper.note(NotKept(FailureReason.CANNOT_UNDERSTAND, problem.detail))
        raise
    told = _dataset(result, current_root(services))
    body = native_model(told) if offer == XML else orjson.dumps(told)
    response = Response(body, result.status, content_type=offer.media_type)
    response.headers["Cache-Control"] = "private, no-store"
    for words in result.why[:MOST_WARNINGS]:
        response.headers.add("Warning", f"299 {current_root(services)}: {words}")
    if result.status is HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _takes(services: Services, study_uid: str) -> Takes:
    """What the path takes: instances of the study that it names, and below a case only of the studies of this case."""
    if current_sight().case_id is None:
        return lambda _, uid: study_uid in {"", uid}
    with services.database.reading() as session:
        require_case(session, current_sight())
        of_case = studies_in_sight(session, current_sight())
    wanted = {(origin, uid) for origin, uid in of_case if study_uid in {"", uid}}
    if study_uid and not wanted:
        raise not_found()
    return lambda origin, uid: (origin, uid) in wanted


def _boundary() -> str | None:
    """Return the boundary of a body of application/dicom parts, None of one that is application/dicom; else a 415.

    A multipart body that does not name the type of its parts is read: each part is asked for its own.
    """
    media_type, parameters = media_type_of(request.headers.get("Content-Type", ""))
    if media_type != DICOM and (media_type != MULTIPART or parameters.get("type", DICOM).lower() != DICOM):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, 'Instances are stored as multipart/related; type="application/dicom".'
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "A content encoding is not taken.")
    return None if media_type == DICOM else parameters.get("boundary", "")


def _length() -> int:
    """How long the body is said to be: without a last boundary nothing else tells that it came whole."""
    if request.content_length is None:
        raise Problem(HTTPStatus.LENGTH_REQUIRED, "An instance by itself comes with its Content-Length.")
    return request.content_length


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, TooLarge | RequestEntityTooLarge):
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is larger than this server takes at once.")
    return bad_request(str(error) if isinstance(error, BadBody) else "The body broke off.")


def _dataset(result: StoreResult, base_url: str) -> dict[str, Any]:
    """Write the Store Instances Response Module (annex I); sequences without an item are left out."""
    sequences = {
        "00081198": [_failure(one) for one in result.failed if one.sop_uid],
        "00081199": [_success(one, base_url) for one in result.kept],
        "0008119A": [_failure(one) for one in result.failed if not one.sop_uid],
    }
    written: dict[str, Any] = {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}
    studies = {one.study_uid for one in result.kept}
    if len(studies) == 1:
        written["00081190"] = _value("UR", f"{base_url}/studies/{studies.pop()}")
    return dict(sorted(written.items()))


def _success(one: Kept, base_url: str) -> dict[str, Any]:
    url = f"{base_url}/studies/{one.study_uid}/series/{one.series_uid}/instances/{one.sop_uid}"
    return {
        "00081150": _value("UI", one.sop_class_uid),
        "00081155": _value("UI", one.sop_uid),
        "00081190": _value("UR", url),
    }


def _failure(one: NotKept) -> dict[str, Any]:
    named = {"00081150": _value("UI", one.sop_class_uid), "00081155": _value("UI", one.sop_uid)} if one.sop_uid else {}
    return {**named, "00081197": _value("US", int(one.reason))}


def _value(vr: str, value: str | int) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value != "" else {"vr": vr}
