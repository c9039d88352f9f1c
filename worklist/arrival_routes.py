"""What arrived, for programs: `/api/v1/arrivals`. Errors become problem+json in gateway.errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import flask
from flask import Blueprint

from config.database import Database
from worklist.arrivals import Arrivals, NotTaken, StudyArrival, Wanted, arrivals
from worklist.arrived_objects import ARCHIVED, ArrivedObject, objects_of
from worklist.asking import Ask, asking, guard
from worklist.cut_off import Cut
from worklist.lifecycle import NotFound
from worklist.models import TroubleTally
from worklist.routes import Invalid
from worklist.tally import tallies

Json = dict[str, object]


def create_arrivals_api(database: Database, viewer: Ask) -> Blueprint:
    """The blueprint: the studies that arrived, and the objects of one."""
    api = Blueprint("arrivals", __name__, url_prefix="/api/v1/arrivals")
    guard(api, viewer)

    @api.get("")
    def listing() -> Json:
        with database.reading() as session:
            found = arrivals(session, asking(), wanted(flask.request.args))
            return as_json(found) | {"only_counted": [_counted(one) for one in tallies(session, found.origins)]}

    @api.get("/<int:site_id>/<study_uid>")
    def one(site_id: int, study_uid: str) -> Json:
        with database.reading() as session:
            found = objects_of(session, asking(), site_id, study_uid)
        if not found:
            raise NotFound("Nothing of this study arrived.")
        return {
            "study_uid": study_uid,
            "instances": [_instance(each) for each in found if each.state == ARCHIVED],
            "not_taken": [_object(each) for each in found if each.state != ARCHIVED],
        }

    return api


def wanted(arguments: Mapping[str, str]) -> Wanted:
    """Read what a query string asks for. Days are whole and in UTC. Raises Invalid."""
    since, until = _day(arguments.get("since", ""), "since"), _day(arguments.get("until", ""), "until")
    return Wanted(
        site_id=_number(arguments.get("site", ""), "site"),
        since=since,
        until=until + timedelta(days=1) if until else None,
        page=_number(arguments.get("page", ""), "page") or 1,
    )


def _day(text: str, name: str) -> datetime | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(f"“{name}” must be a day like 2026-11-25.") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def _number(text: str, name: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:10]) < 2**31):
        raise Invalid(f"“{name}” must be a number from 1 on.")
    return int(text)


def as_json(found: Arrivals) -> Json:
    """The page's content for programs."""
    return {
        "studies": [_study(each) for each in found.studies],
        "not_taken": [_not_taken(each) for each in found.homeless],
        "more": found.more,
    }


def _counted(one: TroubleTally) -> Json:
    status = f"{one.status:04X}" if one.status else None
    return {"site_id": int(one.origin.removeprefix("site:")), "count": one.count, "status": status,
            "reason": one.reason, "last_at": one.last_at.isoformat()}  # fmt: skip


def _study(one: StudyArrival) -> Json:
    return {
        "site": one.site.code,
        "site_id": one.site.id,
        "study_uid": one.study.study_uid,
        "accession": one.study.accession,
        "instances": one.instances,
        "bytes": one.size,
        "images_at_sender": one.study.expected,
        "first_at": one.study.first_at.isoformat(),
        "last_at": one.study.last_at.isoformat(),
        "senders": [
            {"ae_title": each.ae_title, "instances": each.instances, "bytes": each.size,
             "first_at": each.first_at.isoformat(), "last_at": each.last_at.isoformat()}
            for each in one.senders
        ],
        "not_taken": [_not_taken(each) for each in one.not_taken],
        "cut": _cut(one.cut) if one.cut else None,
    }  # fmt: skip


def _cut(one: Cut) -> Json:
    return {"at": one.at.isoformat(), "ae_title": one.sender, "after": one.after, "since": one.since,
            "missing": one.missing}  # fmt: skip


def _not_taken(one: NotTaken) -> Json:
    status = f"{one.status:04X}" if one.status else None
    return {"kind": one.kind, "reason": one.reason, "count": one.count, "status": status,
            "last_at": one.last_at.isoformat(), "ae_title": one.sender, "decision": one.decision,
            "answer": one.answer, "study_uid": one.study_uid, "sop_uid": one.sop_uid}  # fmt: skip


def _instance(one: ArrivedObject) -> Json:
    return {"sop_uid": one.sop_uid, "state": one.state, "sop_class_uid": one.sop_class_uid,
            "transfer_syntax": one.transfer_syntax, "ae_title": one.sender,
            "received_at": one.received_at.isoformat(), "bytes": one.size, "sha256": one.sha256}  # fmt: skip


def _object(one: ArrivedObject) -> Json:
    return {"sop_uid": one.sop_uid, "state": one.state, "status": one.status or None, "reason": one.reason,
            "answer": one.answer, "ae_title": one.sender, "received_at": one.received_at.isoformat()}  # fmt: skip
