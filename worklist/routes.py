"""The JSON API of cases, at /api/v1/cases. Errors become problem+json in gateway.errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flask
from flask import Blueprint
from sqlalchemy.orm import Session

from config.database import Database
from worklist import cases, descriptions, lifecycle
from worklist.access import Viewer
from worklist.asking import Ask, asking, guard
from worklist.cases import OnTheirWay, RequestText
from worklist.models import Case
from worklist.readers import subspecialties_read
from worklist.routing import Route
from worklist.seen import Seen
from worklist.states import CaseState
from worklist.subspecialties import Subspecialty

Json = dict[str, Any]
REPORT_FILES = {"report.dcm": ("sr", "application/dicom"), "report.pdf": ("pdf", "application/pdf")}


class Invalid(Exception):
    """What was sent cannot be used; `problems` say what to change, in plain words."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Desk:
    """What the API needs from above: who asks, how an opinion is checked, how it is signed, what the rules say."""

    database: Database
    viewer: Ask
    read_opinion: Callable[[Json], Json]
    sign: Callable[[Viewer, int, Seen], int]
    route: Route
    on_their_way: OnTheirWay


def create_api(desk: Desk) -> Blueprint:
    """The blueprint with every route below /api/v1/cases."""
    api = Blueprint("cases", __name__, url_prefix="/api/v1/cases")
    guard(api, desk.viewer)
    _add_reading(api, desk)
    _add_acts(api, desk)
    _add_writing(api, desk)
    _add_report(api, desk)
    return api


def _body() -> Json:
    given = flask.request.get_json(silent=True)
    if given is None and not flask.request.get_data(cache=True):
        return {}
    if not isinstance(given, dict):
        raise Invalid("The body must be a JSON object, sent as application/json.")
    return given


def _text(body: Json, name: str, *, required: bool = False) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or (required and not value.strip()):
        raise Invalid(f"“{name}” must be a text" + (" that is not empty." if required else "."))
    return value.strip()


def _seen(body: Json) -> Seen:
    version = body.get("images_version")
    if version is not None and type(version) is not int:
        raise Invalid("“images_version” must be the number that the case shows under this name.")
    return Seen(images_version=version)


def request_text(body: Json) -> RequestText:
    """What a requester wrote, checked. Raises Invalid."""
    questions = body.get("questions", [])
    if not isinstance(questions, list) or not all(isinstance(each, str) for each in questions):
        raise Invalid("“questions” must be a list of texts.")
    return RequestText(
        reason=_text(body, "reason"),
        history=_text(body, "history"),
        questions=tuple(each.strip() for each in questions if each.strip()),
        prior_report=_text(body, "prior_report"),
        prior_report_author=_text(body, "prior_report_author"),
        prior_report_date=_text(body, "prior_report_date"),
    )


def _add_reading(api: Blueprint, desk: Desk) -> None:
    @api.get("")
    def listing() -> Json:
        who = asking()
        states = [part for part in flask.request.args.get("state", "").split(",") if part]
        unknown = [state for state in states if state not in CaseState.__members__]
        if unknown:
            raise Invalid(f"“{unknown[0]}” is not a state. States are: {', '.join(CaseState)}.")
        with desk.database.reading() as session:
            found = cases.visible(session, who, [CaseState(state) for state in states])
            read = subspecialties_read(session)
            return {"cases": [descriptions.summary(case, who, read) for case in found]}

    @api.get("/<int:case_id>")
    def one(case_id: int) -> Json:
        who = asking()
        with desk.database.reading() as session:
            return descriptions.whole(session, cases.get(session, who, case_id), who)

    @api.get("/<int:case_id>/deliveries")
    def deliveries(case_id: int) -> Json:
        with desk.database.reading() as session:
            case = cases.get(session, asking(), case_id)
            found = [each for report in case.reports for each in report.deliveries]
            return {"deliveries": [descriptions.delivery(each) for each in found]}


Act = Callable[[Desk, Session, Case, Viewer, Json], None]


def _assign(_: Desk, session: Session, case: Case, who: Viewer, body: Json) -> None:
    subspecialty = _text(body, "subspecialty", required=True)
    if subspecialty not in set(Subspecialty):
        raise Invalid(f"“{subspecialty}” is not a subspecialty. They are: {', '.join(Subspecialty)}.")
    lifecycle.assign(session, case, who, subspecialty, _text(body, "why") or "A coordinator decided.")


def _hold(_: Desk, session: Session, case: Case, who: Viewer, body: Json) -> None:
    lifecycle.hold(session, case, who, _text(body, "reason", required=True))


def _cancel(_: Desk, session: Session, case: Case, who: Viewer, body: Json) -> None:
    lifecycle.cancel(session, case, who, _text(body, "reason", required=True))


ACTS: dict[str, Act] = {
    "claim": lambda _, session, case, who, __: lifecycle.claim(session, case, who),
    "resume": lambda _, session, case, who, __: lifecycle.resume(session, case, who),
    "submit": lambda desk, session, case, who, _: cases.submit(session, case, who, desk.on_their_way),
    "withdraw": lambda _, session, case, who, __: lifecycle.withdraw(session, case, who),
    "release": lambda _, session, case, who, body: lifecycle.release(session, case, who, _text(body, "reason")),
    "hold": _hold,
    "cancel": _cancel,
    "assign": _assign,
}


def _add_acts(api: Blueprint, desk: Desk) -> None:
    @api.post(f"/<int:case_id>/<any({', '.join(ACTS)}):name>")
    def act(case_id: int, name: str) -> Json:
        who, body = asking(), _body()
        with desk.database.writing() as session:
            find = cases.get_to_claim if name == "claim" else cases.get
            case = find(session, who, case_id)
            ACTS[name](desk, session, case, who, body)
            return descriptions.whole(session, case, who)


def _add_writing(api: Blueprint, desk: Desk) -> None:
    @api.post("")
    def start() -> tuple[Json, int]:
        who, text = asking(), request_text(_body())
        with desk.database.writing() as session:
            return descriptions.whole(session, cases.start(session, who, text), who), 201

    @api.put("/<int:case_id>/request")
    def change_request(case_id: int) -> Json:
        who, text = asking(), request_text(_body())
        with desk.database.writing() as session:
            case = cases.get(session, who, case_id)
            cases.change_request(session, case, who, text, desk.route)
            return descriptions.whole(session, case, who)

    @api.put("/<int:case_id>/opinion")
    def save_opinion(case_id: int) -> Json:
        who, opinion = asking(), desk.read_opinion(_body())
        with desk.database.writing() as session:
            case = cases.get(session, who, case_id)
            saved_at = cases.save_draft(session, case, who, opinion)
            return {"opinion": opinion, "saved_at": saved_at.isoformat()}

    @api.post("/<int:case_id>/sign")
    def sign(case_id: int) -> Json:
        who, seen = asking(), _seen(_body())
        desk.sign(who, case_id, seen)
        with desk.database.reading() as session:
            return descriptions.whole(session, cases.get(session, who, case_id), who)


def _add_report(api: Blueprint, desk: Desk) -> None:
    @api.get("/<int:case_id>/<any('report.dcm', 'report.pdf'):name>")
    def report_file(case_id: int, name: str) -> flask.Response:
        kind, media_type = REPORT_FILES[name]
        with desk.database.reading() as session:
            case = cases.get(session, asking(), case_id)
            published = [report for report in case.reports if report.published_at]
            if not published:
                raise lifecycle.NotFound(f"Case {case_id} has no finished report yet.")
            content = next(file.content for file in published[-1].files if file.kind == kind)
        download = f"second-opinion-{case_id}.{name.rpartition('.')[2]}"
        response = flask.Response(content, mimetype=media_type)
        response.headers["Content-Disposition"] = f'attachment; filename="{download}"'
        response.headers["Cache-Control"] = "private, no-store"
        return response
