"""What somebody with a link sees: the images and the signed report of one case, and nothing else.

The secret of the link stands behind the # of its address, which no browser sends: a script hands it in with the form,
so that it is in no log and no Referer.
"""

from __future__ import annotations

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound, TooManyRequests

from dicomweb.roots import URL_PREFIX, root_url
from gateway.accounts.guests import guests
from gateway.portal.services import PortalServices
from gateway.portal.studies import count_images, patient_view, study_views, viewer_link
from sr_reports.errors import Unreportable
from sr_reports.sections import Section
from worklist.access import Link
from worklist.models import AuditLine, Case, Report, ShareLink
from worklist.sharing import MOST_MISTAKES

WRONG = (
    "This does not open anything. Check what you entered and the link. After {most} mistakes a link is closed, and it "
    "may have ended: ask whoever sent it to you for a new one."
)
BEHIND = frozenset({"portal.shared_case", "portal.shared_look", "portal.shared_report"})  # who has opened a link
SLOWLY = "Too many attempts. Wait a minute, then try again."


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/shared`: the question, the case, its report."""
    _add_door(portal)
    _add_report(portal, services)

    @portal.before_request
    def require_link() -> ResponseReturnValue | None:
        if (flask.request.endpoint or "") in BEHIND and guests().link() is None:
            return flask.redirect(flask.url_for("portal.shared"))
        return None

    @portal.get("/shared/case")
    def shared_case() -> ResponseReturnValue:
        with services.database.reading() as session:
            return flask.render_template("shared_case.html", **_told(services, session, _link()))

    @portal.get("/shared/look")
    def shared_look() -> ResponseReturnValue:
        return flask.render_template("shared_look.html", root=root_url(URL_PREFIX, _link().case_id))

    @portal.after_request
    def tell_nobody(response: flask.Response) -> flask.Response:
        if flask.request.path.startswith("/shared"):
            response.headers["Referrer-Policy"] = "no-referrer"
        return response


def _add_report(portal: Blueprint, services: PortalServices) -> None:
    @portal.get("/shared/report.pdf")
    def shared_report() -> ResponseReturnValue:
        link = _link()
        with services.database.writing() as session:
            report = _published(session.get_one(Case, link.case_id))
            if report is None:
                raise NotFound
            content = next(file.content for file in report.files if file.kind == "pdf")
            who = f"link {link.link_id}"
            session.add(AuditLine(actor=who, action="download the report", case_id=link.case_id))
        response = flask.Response(content, mimetype="application/pdf")
        response.headers["Content-Disposition"] = 'inline; filename="second-opinion.pdf"'
        return response


def _add_door(portal: Blueprint) -> None:
    def ask(problem: str = "") -> str:
        form = flask.request.form
        told = {"secret": form.get("link", ""), "kind": form.get("kind", ""), "problem": problem}
        return flask.render_template("shared.html", **told, is_open=guests().link() is not None)

    @portal.get("/shared")
    def shared() -> ResponseReturnValue:
        return ask()

    @portal.post("/shared")
    def open_link() -> ResponseReturnValue:
        form = flask.request.form
        try:
            if guests().open(form.get("link", ""), form.get("second", "")):
                return flask.redirect(flask.url_for("portal.shared_case"), 303)
        except TooManyRequests:
            return ask(SLOWLY), 429
        return ask(WRONG.format(most=MOST_MISTAKES)), 403

    @portal.post("/shared/close")
    def close_link() -> ResponseReturnValue:
        guests().close()
        return flask.redirect(flask.url_for("portal.shared"), 303)


def _link() -> Link:
    link = guests().link()
    if link is None:  # it ended just now
        raise NotFound
    return link


def _told(services: PortalServices, session: Session, link: Link) -> dict[str, object]:
    case = session.get_one(Case, link.case_id)
    studies = [one for one in study_views(case, count_images(session, [case])) if one.id in link.study_ids]
    return {
        "case": case,
        "patient": patient_view(case),
        "studies": studies,
        "viewer_link": viewer_link(case.id, studies),
        "sections": _sections(services, session, case),
        "report": _published(case),
        "link": session.get_one(ShareLink, link.link_id),
    }


def _published(case: Case) -> Report | None:
    return next((report for report in reversed(case.reports) if report.published_at), None)


def _sections(services: PortalServices, session: Session, case: Case) -> tuple[Section, ...]:
    if not case.reports:
        return ()
    try:
        return services.preview(session, case)
    except Unreportable:
        return ()
