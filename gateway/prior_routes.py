"""Earlier studies for programs: `/api/v1/cases/<id>/priors`. Errors become problem+json in gateway.errors."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy.orm import Session

from config.database import Database
from worklist import cases
from worklist.asking import Ask, asking, guard
from worklist.models import Case, Prior
from worklist.priors import call_off, images_here, look, may_decide, progress, search_of

Json = dict[str, object]


def create_priors_api(database: Database, viewer: Ask) -> Blueprint:
    """The blueprint: how far the fetching is, beginning and stopping it."""
    api = Blueprint("priors", __name__, url_prefix="/api/v1/cases")
    guard(api, viewer)

    @api.get("/<int:case_id>/priors")
    def shown(case_id: int) -> Json:
        with database.reading() as session:
            return _told(session, cases.get(session, asking(), case_id))

    @api.post("/<int:case_id>/priors/look")
    def begun(case_id: int) -> Json:
        with database.writing() as session:
            case = cases.get(session, asking(), case_id)
            look(session, case, asking())
            session.flush()
            return _told(session, case)

    @api.post("/<int:case_id>/priors/stop")
    def stopped(case_id: int) -> Json:
        with database.writing() as session:
            case = cases.get(session, asking(), case_id)
            call_off(session, case, asking())
            return _told(session, case)

    return api


def _told(session: Session, case: Case) -> Json:
    may_decide(case, asking())
    search = search_of(session, case)
    if search is None:
        return {"state": None, "source": "", "last_error": "", "studies": [], "left_out": [], "progress": None}
    far, here = progress(session, search), images_here(session, search.priors)
    return {
        "state": str(search.state),
        "source": search.source,
        "last_error": search.last_error,
        "studies": [_study(each, here.get(each.study_uid, 0)) for each in search.priors],
        "left_out": search.left_out,
        "progress": {"studies": far.studies, "studies_here": far.studies_here,
                     "images": far.images, "images_here": far.images_here},
    }  # fmt: skip


def _study(prior: Prior, here: int) -> Json:
    return {
        "study_uid": prior.study_uid,
        "date": prior.study_date,
        "description": prior.description,
        "modalities": prior.modalities,
        "images": prior.images,
        "images_here": here,
        "was_here": prior.was_here,
        "state": str(prior.state),
        "attempts": prior.attempts,
        "last_error": prior.last_error,
    }
