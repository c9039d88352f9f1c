"""What was kept aside, for programs of the coordinator: `/api/v1/quarantine`."""

from __future__ import annotations

from dataclasses import asdict

import flask
from flask import Blueprint

from gateway.quarantine import NotAtHand, Quarantine
from worklist import troubles
from worklist.asking import Ask, asking, guard
from worklist.concerned import Concerned, concerned
from worklist.descriptions import study
from worklist.models import Trouble
from worklist.routes import Invalid
from worklist.troubles import Decision, Group, Verdict

Json = dict[str, object]
MOST = 1000
ACTS = {"accept": Decision.ACCEPTED, "reject": Decision.REJECTED}


def create_quarantine_api(quarantine: Quarantine, viewer: Ask) -> Blueprint:
    """The blueprint: what waits, one object with its differences, and the two decisions."""
    api = Blueprint("quarantine", __name__, url_prefix="/api/v1/quarantine")
    database = quarantine.database
    guard(api, viewer, may=lambda who: who.oversees)

    @api.get("")
    def listing() -> Json:
        with database.reading() as session:
            return {"kept_aside": [_group(each) for each in troubles.groups(session, MOST)]}

    @api.get("/<int:trouble_id>")
    def one(trouble_id: int) -> Json:
        with database.reading() as session:
            found = troubles.get(session, asking(), trouble_id)
            known = _known(found, concerned(session, found))
        try:
            compared = quarantine.compare(found)
        except NotAtHand as error:
            return known | {"problem": str(error)}
        return known | {
            "of_one_instance": compared.of_one_instance,
            "same_pixels": compared.same_pixels,
            "differences": [asdict(each) for each in compared.differences],
        }

    @api.post("/<int:trouble_id>/<any('accept', 'reject'):name>")
    def act(trouble_id: int, name: str) -> Json:
        who, verdict = asking(), _asked(name)
        with database.writing() as session:
            found = troubles.get(session, who, trouble_id)
            count = troubles.decide(session, who, found, verdict)
            return {"decided": count, "decision": verdict.decision}

    return api


def _asked(name: str) -> Verdict:
    given = flask.request.get_json(silent=True) or {}
    said = given if isinstance(given, dict) else {"answer": None}
    answer, all_like_it, sure = said.get("answer", ""), said.get("all", False), said.get("sure", False)
    if not isinstance(answer, str) or not isinstance(all_like_it, bool) or not isinstance(sure, bool):
        raise Invalid(
            "The body is a JSON object with “answer” (a text for the sender), “all” and “sure” (true or false)."
        )
    if name == "reject" and not answer.strip():
        raise Invalid("Say why in “answer”, so that the sender knows what to do.")
    return Verdict(ACTS[name], answer.strip(), all_like_it, sure)


def _known(one: Trouble, about: Concerned) -> Json:
    """The object, and what a decision about it is about."""
    return {
        "id": one.id,
        "reason": one.reason,
        "decision": one.decision,
        "sop_uid": one.sop_uid,
        "contradicts": one.contradicts,
        "series_number": one.series_number,
        "instance_number": one.instance_number,
        "study": study(about.study, papers=True) if about.study else None,
        "cases": [{"id": case.id, "state": case.state} for case in about.cases],
    }


def _group(one: Group) -> Json:
    return asdict(one) | {"first_at": one.first_at.isoformat(), "last_at": one.last_at.isoformat()}
