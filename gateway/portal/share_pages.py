"""Sharing a case: the page on which its patient, its site and coordinators make links and end them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from gateway.accounts.devices import digest
from gateway.accounts.guests import guests, hashed, new_pin
from gateway.origin import origin_of_request
from gateway.portal.case_lines import case_line
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from gateway.portal.words import Label
from worklist import cases, sharing
from worklist.access import Viewer
from worklist.lifecycle import NotFound, WrongState
from worklist.models import Case, ShareLink, now

BIRTH_DATE, PIN = "birth date", "PIN"
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class MadeLink:
    """What is shown once: the address, and the PIN if there is one."""

    address: str
    pin: str
    made_for: str


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/cases/<id>/links`: the list with its form; making one, ending one."""

    def render(case: Case, session: Session, made: MadeLink | None = None, problem: str = "") -> str:
        line = case_line(session, case, asking())
        links = [(link, _standing(link)) for link in sharing.of_case(session, case)]
        told = {"case": case, "line": line, "links": links, "made": made, "problem": problem}
        return flask.render_template("links.html", **told, born=_birth_date(case), lives=sharing.LIVES)

    @portal.get("/cases/<int:case_id>/links")
    def links(case_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            return render(_shareable(session, asking(), case_id), session)

    @portal.post("/cases/<int:case_id>/links")
    def make_link(case_id: int) -> ResponseReturnValue:
        secret, pin = secrets.token_urlsafe(32), new_pin()
        with services.database.writing() as session:
            case = _shareable(session, asking(), case_id)
            kind = BIRTH_DATE if flask.request.form.get("factor") == BIRTH_DATE and _birth_date(case) else PIN
            second = _birth_date(case) if kind == BIRTH_DATE else pin
            try:
                link = sharing.make(session, case, asking(), _wanted(case, kind, second, secret))
            except WrongState as error:
                return render(case, session, problem=str(error)), 409
            address = f"{origin_of_request(services.settings)}/shared#{kind[0].lower()}.{secret}"
            return render(case, session, MadeLink(address, pin if kind == PIN else "", link.made_for))

    @portal.post("/cases/<int:case_id>/links/<int:link_id>/end")
    def end_link(case_id: int, link_id: int) -> ResponseReturnValue:
        with services.database.writing() as session:
            sharing.revoke(session, _shareable(session, asking(), case_id), asking(), link_id)
        guests().forget()
        flask.flash("The link opens nothing any more.", "done")
        return flask.redirect(flask.url_for("portal.links", case_id=case_id), 303)


def _shareable(session: Session, who: Viewer, case_id: int) -> Case:
    case = cases.get(session, who, case_id)
    if not sharing.may_share(case, who):
        raise NotFound(f"There is no case {case_id}.")
    return case


def _wanted(case: Case, kind: str, second: str, secret: str) -> sharing.Wanted:
    form = flask.request.form
    chosen = frozenset(form.getlist("study", type=int)) or frozenset(study.id for study in case.studies)
    days = form.get("days", type=int)
    return sharing.Wanted(
        made_for=form.get("made_for", "").strip()[:LONGEST_NAME] or "somebody",
        study_ids=chosen,
        days=days if days in sharing.LIVES else sharing.LIVES[0],
        factor_kind=kind,
        factor=hashed(second),
        sha256=digest(secret),
    )


def _birth_date(case: Case) -> str:
    """The patient's, if every study of the case says the same one."""
    said = {study.birth_date for study in case.studies}
    return said.pop() if len(said) == 1 else ""


def _standing(link: ShareLink) -> Label:
    if link.revoked_at:
        return Label("Ended", "ended")
    if link.expires_at <= now():
        return Label("Run out", "ended")
    if link.mistakes >= sharing.MOST_MISTAKES:
        return Label("Closed: tried too often", "late")
    return Label("Opens", "active")
