"""`/quarantine`: what was kept aside, beside what stands against it, and the coordinator's decision."""

from __future__ import annotations

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.portal.moves import LONGEST_REASON
from gateway.portal.oversight import MOST, origin_in_words
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from gateway.portal.words import STATES
from gateway.quarantine import Comparison, NotAtHand
from worklist import troubles
from worklist.concerned import concerned, concerned_by
from worklist.lifecycle import NotAllowed, WrongState
from worklist.models import Site, Trouble
from worklist.troubles import Decision, Verdict

DONE = {
    Decision.ACCEPTED: "Accepted. It goes into the archive now; the page of its case shows it in a moment.",
    Decision.REJECTED: "Rejected. The sender sees your reason on their pages.",
}


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """The list, one object, its pictures, and the two decisions."""
    _add_list(portal, services)
    _add_decisions(portal, services)

    @portal.get("/quarantine/<int:trouble_id>")
    def kept_aside(trouble_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            one = troubles.get(session, asking(), trouble_id)
            told = {
                "one": one,
                "origin": origin_in_words(one.origin, _sites(services)),
                "alike": troubles.waiting_like(session, one),
                "about": concerned(session, one),
                "states": STATES,
                "signed_on": troubles.signed_on(session, one.origin, one.sop_uid),
            }
        comparison, problem = _compare(services, one)
        return flask.render_template("quarantine_one.html", comparison=comparison, problem=problem, **told)

    @portal.get("/quarantine/<int:trouble_id>/<any('kept', 'aside'):side>.png")
    def kept_aside_picture(trouble_id: int, side: str) -> ResponseReturnValue:
        with services.database.reading() as session:
            one = troubles.get(session, asking(), trouble_id)
        try:
            return flask.Response(services.quarantine.picture(one, kept=side == "kept"), mimetype="image/png")
        except NotAtHand:
            flask.abort(404)


def _add_list(portal: Blueprint, services: PortalServices) -> None:
    def render(template: str) -> str:
        with services.database.reading() as session:
            found = troubles.groups(session, MOST)
            about = concerned_by(session, [(one.origin, one.study_uid) for one in found])
        sites = _sites(services)
        origins = {one.origin: origin_in_words(one.origin, sites) for one in found}
        return flask.render_template(template, groups=found, origins=origins, about=about, states=STATES)

    @portal.get("/quarantine")
    def quarantine() -> ResponseReturnValue:
        return render("quarantine.html")

    @portal.get("/quarantine/rows")
    def quarantine_rows() -> ResponseReturnValue:
        return render("quarantine_rows.html")


def _add_decisions(portal: Blueprint, services: PortalServices) -> None:
    @portal.post("/quarantine/<int:trouble_id>/<any('accepted', 'rejected'):decision>")
    def decide(trouble_id: int, decision: str) -> ResponseReturnValue:
        made, answer = Decision(decision), flask.request.form.get("answer", "").strip()[:LONGEST_REASON]
        if made is Decision.REJECTED and not answer:
            flask.flash("Say why, so that the sender knows what to do.", "problem")
            return flask.redirect(flask.url_for("portal.kept_aside", trouble_id=trouble_id), 303)
        all_like_it, sure = (flask.request.form.get(name) == "yes" for name in ("all", "sure"))
        try:
            with services.database.writing() as session:
                one = troubles.get(session, asking(), trouble_id)
                count = troubles.decide(session, asking(), one, Verdict(made, answer, all_like_it, sure))
        except (WrongState, NotAllowed) as error:
            flask.flash(str(error), "problem")
        else:
            flask.flash(DONE[made] if count == 1 else f"{count} objects: {DONE[made]}", "done")
        return flask.redirect(flask.url_for("portal.quarantine"), 303)


def _compare(services: PortalServices, one: Trouble) -> tuple[Comparison | None, str]:
    try:
        return services.quarantine.compare(one), ""
    except NotAtHand as error:
        return None, str(error)


def _sites(services: PortalServices) -> dict[str, str]:
    with services.database.reading() as session:
        return {f"site:{site.id}": site.name or site.code for site in session.query(Site)}
