"""Before every request: who asks, and is every UID of the path one. After it: headers, and a line for the audit.

Which studies this person may see is decided in SQL, by `worklist.access.sees_study`, wherever rows are looked up.
"""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from dicomweb.problems import bad_request, unauthorized
from dicomweb.services import Access, Services
from dicomweb.uids import is_uid
from worklist.access import Viewer

UID_ARGUMENTS = frozenset({"study_uid", "series_uid", "sop_uid"})

HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
)
"""What we serve was made by others: no browser shall run any of it."""


def guard(blueprint: Blueprint, services: Services) -> None:
    """Put the checks in front of every route of the blueprint."""

    @blueprint.before_request
    def check() -> None:
        viewer = services.viewer()
        if viewer is None:
            raise unauthorized()
        g.dicomweb_viewer = viewer
        for name, value in (request.view_args or {}).items():
            if name in UID_ARGUMENTS and not is_uid(value):
                raise bad_request("The path has something that is no UID where one must be.")

    @blueprint.after_request
    def finish(response: Response) -> Response:
        response.headers.extend(HEADERS)
        viewer: Viewer | None = g.get("dicomweb_viewer")
        if viewer is not None:
            services.audit(_access(viewer, response))
        return response


def current_viewer() -> Viewer:
    """Who makes this request; there is always somebody, because `guard` saw to it."""
    viewer: Viewer = g.dicomweb_viewer
    return viewer


def _access(viewer: Viewer, response: Response) -> Access:
    action = (request.endpoint or "").rpartition(".")[2]
    asked = request.view_args or {}
    study_uid, series_uid = (str(asked.get(name, "")) for name in ("study_uid", "series_uid"))
    return Access(
        person_id=viewer.person_id,
        action=action,
        study_uid=study_uid if is_uid(study_uid) else "",
        series_uid=series_uid if is_uid(series_uid) else "",
        case_id=asked.get("case_id"),
        status=response.status_code,
        address=request.remote_addr or "",
    )
