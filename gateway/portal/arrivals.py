"""`/arrivals`: proof for whoever sends, as a page and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.commitment_words import STATES, commitment_lines
from gateway.portal.oversight import KINDS, unlisted
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from worklist.arrival_routes import wanted
from worklist.arrivals import Arrivals, Wanted, arrivals
from worklist.arrived_objects import NO_STUDY, ArrivedObject, objects_of
from worklist.lifecycle import NotFound

COLUMNS = ("sop_instance_uid", "sop_class_uid", "transfer_syntax", "ae_title", "received_at", "bytes", "sha256",
           "state", "status", "reason", "answer")  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would compute instead of show."""


def _lines(rows: Sequence[ArrivedObject]) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(map(_shown, (
            row.sop_uid, row.sop_class_uid, row.transfer_syntax, row.sender, row.received_at.isoformat(), row.size,
            row.sha256, row.state, row.status, row.reason, row.answer,
        )))  # fmt: skip
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def _shown(value: str | int | None) -> str | int | None:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """The page, its rows alone for the live refresh, and one study as CSV."""

    def find() -> tuple[Arrivals, Wanted]:
        asked = wanted(flask.request.args.to_dict())
        with services.database.reading() as session:
            return arrivals(session, asking(), asked), asked

    def render(template: str) -> str:
        found, asked = find()
        with services.database.reading() as session:
            first = asked.page == 1
            committing = commitment_lines(session, asking(), asked.site_id) if first else []
            not_listed = unlisted(session, found.origins) if first else []
        given = {name: flask.request.args.get(name, "") for name in ("site", "since", "until")}
        return flask.render_template(
            template,
            found=found,
            asked=asked,
            given=given,
            kinds=KINDS,
            dicom=services.settings.dicom,
            committing=committing,
            unlisted=not_listed,
            commitment_states=STATES,
            no_study=NO_STUDY,
        )

    @portal.get("/arrivals")
    def arrived() -> ResponseReturnValue:
        return render("arrivals.html")

    @portal.get("/arrivals/rows")
    def arrived_rows() -> ResponseReturnValue:
        return render("arrivals_rows.html")

    @portal.get("/arrivals/<int:site_id>/<study_uid>.csv")
    def arrived_csv(site_id: int, study_uid: str) -> ResponseReturnValue:
        with services.database.reading() as session:
            rows = objects_of(session, asking(), site_id, study_uid)
        if not rows:
            raise NotFound("Nothing of this study arrived.")
        answer = flask.Response("".join(_lines(rows)), mimetype="text/csv")
        answer.headers["Content-Disposition"] = f'attachment; filename="arrived-{study_uid}.csv"'
        return answer
