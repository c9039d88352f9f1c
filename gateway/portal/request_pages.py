"""A request for a second opinion: the patient's list, and the form in which patient or hospital explain it."""

from __future__ import annotations

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.portal.case_lines import CaseLine, case_lines
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from worklist import cases
from worklist.cases import EDITABLE_BY_REQUESTER, RequestText
from worklist.lifecycle import NotAllowed, WrongState
from worklist.models import Case
from worklist.states import Role

LONGEST = 20_000
MOST_QUESTIONS = 5
WHY_YOU = "Tell us in a sentence or two why you would like a second opinion."
WHY = "Say in a sentence or two why a second opinion is asked for."
EMPTY = RequestText("", "", ())


def read_form() -> tuple[RequestText, dict[str, str]]:
    """What was written, and a sentence for every field that cannot stay so."""
    form = flask.request.form
    questions = tuple(filter(None, map(_lines, form.getlist("question"))))
    text = RequestText(
        reason=_lines(form.get("reason", "")),
        history=_lines(form.get("history", "")),
        questions=questions,
        prior_report=_lines(form.get("prior_report", "")),
        prior_report_author=_lines(form.get("prior_report_author", ""))[:200],
        prior_report_date=_lines(form.get("prior_report_date", ""))[:50],
    )
    return text, _wrong(text)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _wrong(text: RequestText) -> dict[str, str]:
    wrong = {}
    if not text.reason:
        wrong["reason"] = WHY_YOU if Role.PATIENT in asking().roles else WHY
    if len(text.questions) > MOST_QUESTIONS:
        wrong["question"] = f"At most {MOST_QUESTIONS} questions fit into one request."
    for name in ("reason", "history", "prior_report"):
        if len(getattr(text, name)) > LONGEST:
            wrong[name] = f"This is too long: {len(getattr(text, name)):,} characters, at most {LONGEST:,} fit."
    return wrong


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/requests`, `/requests/new`, and the request of a case that nobody reads yet."""
    _add_list(portal, services)

    @portal.get("/requests/new")
    def new_request() -> ResponseReturnValue:
        return _form(EMPTY, {}, None)

    @portal.post("/requests/new")
    def start_request() -> ResponseReturnValue:
        text, wrong = read_form()
        if wrong:
            return _form(text, wrong, None), 400
        with services.database.writing() as session:
            case_id = cases.start(session, asking(), text).id
        return flask.redirect(flask.url_for("portal.case", case_id=case_id), 303)

    @portal.get("/cases/<int:case_id>/request")
    def edit_request(case_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            case = cases.get(session, asking(), case_id)
            _may_change(case)
            return _form(_text_of(case), {}, case)

    @portal.post("/cases/<int:case_id>/request")
    def change_request(case_id: int) -> ResponseReturnValue:
        text, wrong = read_form()
        with services.database.writing() as session:
            case = cases.get(session, asking(), case_id)
            if wrong:
                return _form(text, wrong, case), 400
            cases.change_request(session, case, asking(), text, services.route)
        flask.flash("The request is saved.", "done")
        return flask.redirect(flask.url_for("portal.case", case_id=case_id), 303)


def _add_list(portal: Blueprint, services: PortalServices) -> None:
    def lines() -> list[CaseLine]:
        with services.database.reading() as session:
            mine = [line for line in case_lines(session, asking()) if line.case.patient_id == asking().person_id]
            return sorted(mine, key=lambda line: line.case.created_at, reverse=True)

    @portal.get("/requests")
    def requests() -> ResponseReturnValue:
        return flask.render_template("requests.html", lines=lines())

    @portal.get("/requests/rows")
    def requests_rows() -> ResponseReturnValue:
        return flask.render_template("requests_rows.html", lines=lines())


def _form(text: RequestText, wrong: dict[str, str], case: Case | None) -> str:
    who = asking()
    own = case is None or case.patient_id == who.person_id
    return flask.render_template(
        "request_form.html", text=text, wrong=wrong, case=case, own=own, most_questions=MOST_QUESTIONS
    )


def _may_change(case: Case) -> None:
    who = asking()
    theirs = case.patient_id == who.person_id or (Role.SITE in who.roles and case.site_id == who.site_id)
    if not (theirs or who.oversees):
        raise NotAllowed("Only whoever asked for this opinion can change the request.")
    if case.state not in EDITABLE_BY_REQUESTER:
        raise WrongState("A reader already has this case; the request cannot be changed any more.")


def _text_of(case: Case) -> RequestText:
    return RequestText(
        reason=case.reason,
        history=case.history,
        questions=tuple(str(each) for each in case.questions),
        prior_report=case.prior_report,
        prior_report_author=case.prior_report_author,
        prior_report_date=case.prior_report_date,
    )
