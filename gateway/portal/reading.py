"""Reading: what a reader sees before signing, and the signature."""

from __future__ import annotations

from dataclasses import dataclass

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from gateway.portal.case_lines import CaseLine, case_line
from gateway.portal.remarks import Refused, remarks_in_words
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from sr_reports.errors import Unreportable
from sr_reports.opinion import Opinion
from sr_reports.problems import opinion_problems
from sr_reports.sections import Section
from worklist import cases, lifecycle
from worklist.access import Viewer
from worklist.added import images_version, since_claim
from worklist.models import Case
from worklist.routes import Invalid
from worklist.seen import Seen, Unseen, changes_in_words, text_version
from worklist.states import CaseState
from worklist.strangers import decided_of


@dataclass(frozen=True, slots=True)
class Readiness:
    """What stands against signing (`missing`), and what the reader should know before (`open`)."""

    missing: tuple[str, ...]
    open: tuple[str, ...]


def readiness(case: Case, refused: Refused) -> Readiness:
    """What is missing in the draft, and in the images."""
    opinion = Opinion.from_json(case.draft)
    missing = opinion_problems(opinion, tuple(case.questions), case.prior_report)
    still_open = []
    if not opinion.recommendations.strip():
        still_open.append("There are no recommendations.")
    if changes := since_claim(case):
        still_open.append(f"{changes_in_words(changes)} Have you looked at them?")
    return Readiness(missing, (*still_open, *remarks_in_words(case, refused)))


def answers_of(case: Case) -> dict[str, str]:
    """The draft's answers by their question."""
    return {str(each.get("question", "")): str(each.get("answer", "")) for each in case.draft.get("answers") or []}


def held(session: Session, who: Viewer, case_id: int) -> Case:
    """A case that this reader holds. Raises NotFound."""
    case = cases.get(session, who, case_id)
    if case.reader_id != who.person_id:
        raise lifecycle.NotFound(f"You do not hold case {case_id}.")
    return case


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """Preview as page and PDF, the question before signing, and signing."""
    _add_preview(portal, services)

    @portal.get("/cases/<int:case_id>/sign")
    def confirm_signing(case_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            case = held(session, asking(), case_id)
            if case.state is not CaseState.CLAIMED:
                return flask.redirect(flask.url_for("portal.case", case_id=case_id))
            return flask.render_template(
                "sign.html",
                case=case,
                line=_line(session, case),
                readiness=readiness(case, decided_of(session, case)),
                seen=Seen(images_version(case), text_version(case)),
            )

    @portal.post("/cases/<int:case_id>/sign")
    def sign(case_id: int) -> ResponseReturnValue:
        try:
            with services.database.reading() as session:
                held(session, asking(), case_id)
            services.sign(asking(), case_id, _seen())
        except (Unseen, Invalid, Unreportable) as error:
            flask.flash(f"Not signed. {error}", "problem")
        else:
            flask.flash("Signed. The report is being made and sent.", "done")
        return flask.redirect(flask.url_for("portal.case", case_id=case_id), 303)


def _add_preview(portal: Blueprint, services: PortalServices) -> None:
    @portal.get("/cases/<int:case_id>/preview")
    def preview(case_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            case = held(session, asking(), case_id)
            sections, problem = _sections(services, session, case)
            line = _line(session, case)
            return flask.render_template("preview.html", case=case, line=line, sections=sections, problem=problem)

    @portal.get("/cases/<int:case_id>/preview.pdf")
    def preview_pdf(case_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            content = services.preview_pdf(session, held(session, asking(), case_id))
        response = flask.Response(content, mimetype="application/pdf")
        response.headers["Content-Disposition"] = f'inline; filename="draft-{case_id}.pdf"'
        return response


def _sections(services: PortalServices, session: Session, case: Case) -> tuple[tuple[Section, ...], str]:
    try:
        return services.preview(session, case), ""
    except (Invalid, Unreportable) as error:
        return (), str(error)


def _line(session: Session, case: Case) -> CaseLine:
    """Who and what it is about: a signature must not go under the wrong patient."""
    return case_line(session, case, asking())


def _seen() -> Seen:
    """What the question before signing showed."""
    form = flask.request.form
    return Seen(form.get("images_version", type=int), form.get("seen", ""))
