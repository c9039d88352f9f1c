"""`/cases/<id>/priors`: the earlier studies of a case, and the buttons that look for them and stop that.

Oversight has one that asks an archive again for all cases that it failed.
"""

from __future__ import annotations

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.portal.case_lines import case_line
from gateway.portal.prior_views import priors_view
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from gateway.portal.words import counted
from worklist import cases
from worklist.lifecycle import WrongState
from worklist.priors import call_off, look
from worklist.unfetched import ask_again

STOP_POLLING = 286
"""The status at which htmx asks no more: https://htmx.org/docs/#polling"""
ACTS = {
    "look": (look, "We ask the hospital's archive. What is found appears below."),
    "stop": (call_off, "Nothing more is fetched. What is here stays."),
}


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """The part of a case's page that refreshes by itself, and what can be done there."""

    @portal.get("/cases/<int:case_id>/priors")
    def case_priors(case_id: int) -> ResponseReturnValue:
        who = asking()
        with services.database.reading() as session:
            case = cases.get(session, who, case_id)
            told = priors_view(session, case, who, case_line(session, case, who).studies)
            page = flask.render_template("case_priors.html", case=case, priors=told)
        return page, 200 if told.moving else STOP_POLLING

    @portal.post(f"/cases/<int:case_id>/priors/<any({', '.join(ACTS)}):act>")
    def change_priors(case_id: int, act: str) -> ResponseReturnValue:
        do, done = ACTS[act]
        try:
            with services.database.writing() as session:
                do(session, cases.get(session, asking(), case_id), asking())
        except WrongState as error:
            flask.flash(str(error), "problem")
        else:
            flask.flash(done, "done")
        return flask.redirect(flask.url_for("portal.case", case_id=case_id, _anchor="priors"), 303)

    @portal.post("/oversight/priors/<int:site_id>/again")
    def priors_again(site_id: int) -> ResponseReturnValue:
        try:
            with services.database.writing() as session:
                count = ask_again(session, site_id, asking())
        except WrongState as error:
            flask.flash(str(error), "problem")
        else:
            flask.flash(f"The archive is asked again for {counted(count, 'case')}.", "done")
        return flask.redirect(flask.url_for("portal.oversight"), 303)
