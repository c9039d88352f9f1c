"""Storage commitment for programs: `/api/v1/commitments`. Errors become problem+json in gateway.errors."""

from __future__ import annotations

from datetime import datetime

import flask
from flask import Blueprint

from config.database import Database
from gateway.commitment_words import CommitmentLine, commitment_lines
from worklist.arrival_routes import wanted
from worklist.asking import Ask, asking, guard
from worklist.commitments import items_of
from worklist.lifecycle import NotFound
from worklist.models import CommitmentItem

Json = dict[str, object]


def create_commitments_api(database: Database, viewer: Ask) -> Blueprint:
    """The blueprint: the transactions, and the instances of one."""
    api = Blueprint("commitments", __name__, url_prefix="/api/v1/commitments")
    guard(api, viewer)

    @api.get("")
    def listing() -> Json:
        with database.reading() as session:
            lines = commitment_lines(session, asking(), wanted(flask.request.args).site_id)
            return {"commitments": [_line(each) for each in lines]}

    @api.get("/<int:commitment_id>")
    def one(commitment_id: int) -> Json:
        with database.reading() as session:
            items = items_of(session, asking(), commitment_id)
        if not items:
            raise NotFound("There is no such transaction.")
        return {"id": commitment_id, "instances": [_item(each) for each in items]}

    return api


def _line(line: CommitmentLine) -> Json:
    view, row = line.view, line.view.row
    return {
        "id": row.id,
        "transaction_uid": row.transaction_uid,
        "site": view.site.code if view.site else None,
        "ae_title": row.sender,
        "state": str(row.state),
        "asked": view.asked,
        "committed": view.committed,
        "failed": [
            {"reason": f"{each.reason:04X}", "count": each.count, "words": each.words, "advice": each.advice}
            for each in line.failed
        ],
        "received_at": _moment(row.received_at),
        "judged_at": _moment(row.judged_at),
        "reported_at": _moment(row.reported_at),
        "reported_how": row.reported_how,
        "last_error": row.last_error,
        "hint": line.hint,
    }


def _item(item: CommitmentItem) -> Json:
    reason = f"{item.reason:04X}" if item.reason else None
    return {"sop_uid": item.sop_uid, "sop_class_uid": item.sop_class_uid,
            "committed": item.reason == 0, "reason": reason}  # fmt: skip


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
