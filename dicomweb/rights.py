"""Before every request: who asks, and is every UID of the path one. After it: headers, and a line for the audit.

Which studies are in sight is decided in SQL, by `worklist.access.sees_study`, wherever rows are looked up.
"""

from __future__ import annotations

from flask import Blueprint, Response, g, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from dicomweb.problems import bad_request, not_found, unauthorized
from dicomweb.roots import CASE, case_id_of, root_url
from dicomweb.services import Access, Services
from dicomweb.uids import is_uid
from dicomweb.verdicts import ASKER, Asker, Moment, Question, asker_of
from worklist.access import NOBODY, Sight, sees_case
from worklist.models import Case

UNKNOWN = Sight(NOBODY)
UID_ARGUMENTS = frozenset({"study_uid", "series_uid", "sop_uid"})

HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
)
"""What we serve was made by others: no browser shall run any of it."""


def guard(blueprint: Blueprint, services: Services) -> None:
    """Put the checks in front of every route of the blueprint."""

    @blueprint.url_value_preprocessor
    def take_case(_: str | None, values: dict[str, str] | None) -> None:
        g.dicomweb_case = (values or {}).pop(CASE, None)

    @blueprint.before_request
    def check() -> None:
        g.dicomweb_moment = Moment.now(services.database.revision())
        viewer = services.viewer()
        if viewer is None:
            raise unauthorized()
        if request.method == "GET":  # a token may be for less than that
            services.askers.keep(_asker(), current_moment(), Asker(viewer, services.base_url()))
        g.dicomweb_sight = Sight(viewer, _case_id())
        for name, value in (request.view_args or {}).items():
            if name in UID_ARGUMENTS and not is_uid(value):
                raise bad_request("The path has something that is no UID where one must be.")

    @blueprint.after_request
    def finish(response: Response) -> Response:
        response.headers.extend(HEADERS)
        services.audit(_access(g.get("dicomweb_sight") or UNKNOWN, response))
        return response


def current_sight() -> Sight:
    """Who makes this request, of which case; there is always somebody, because `guard` saw to it."""
    sight: Sight = g.dicomweb_sight
    return sight


def current_query() -> MultiDict[str, str]:
    """Return the query of this request in the words of WADO-RS, which those of WADO-URI were put into."""
    query: MultiDict[str, str] = g.get("dicomweb_query", request.args)
    return query


def current_moment() -> Moment:
    """Return the moment before anything was looked up for this request."""
    moment: Moment = g.dicomweb_moment
    return moment


def current_question(study_uid: str, series_uid: str) -> Question:
    """Return who asks for a series here, as `dicomweb.quick` reads it from a request's head."""
    return Question(_asker(), current_sight().case_id, study_uid, series_uid)


def current_root(services: Services) -> str:
    """Return the public URL of the root that was asked: what an answer points to stays below it."""
    return root_url(services.base_url(), current_sight().case_id)


def require_case(session: Session, sight: Sight) -> None:
    """Raise `not_found()` if the path names a case that this person may not see, or none."""
    if sight.case_id is None:
        return
    seen = select(Case.id).where(Case.id == sight.case_id, sees_case(sight.viewer))
    if session.scalar(seen) is None:
        raise not_found()


def _asker() -> tuple[str, ...]:
    return asker_of({name: request.headers.get(name, "") for name in ASKER})


def _case_id() -> int | None:
    text: str | None = g.dicomweb_case
    if text is None:
        return None
    case_id = case_id_of(text)
    if case_id is None:
        raise not_found()
    return case_id


def _access(sight: Sight, response: Response) -> Access:
    """Who asked for what. Of nobody it is not noted which study: the table is not theirs to fill."""
    action = (request.endpoint or "").rpartition(".")[2]
    asked = g.get("dicomweb_asked", request.view_args or {}) if sight is not UNKNOWN else {}
    link = sight.viewer.link
    study_uid, series_uid = (str(asked.get(name, "")) for name in ("study_uid", "series_uid"))
    return Access(
        person_id=sight.viewer.person_id or None,
        action=action,
        study_uid=study_uid if is_uid(study_uid) else "",
        series_uid=series_uid if is_uid(series_uid) else "",
        case_id=sight.case_id,
        status=response.status_code,
        address=request.remote_addr or "",
        link_id=link.link_id if link else None,
    )
