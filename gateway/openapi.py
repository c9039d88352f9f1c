"""/api/openapi.json: the JSON API described (OpenAPI 3.1). A test compares it with the routes there are."""

from __future__ import annotations

from typing import Any

import flask

from worklist.completeness import Kind
from worklist.routes import ACTS
from worklist.states import CaseState, CommitmentState, DeliveryState, PriorState
from worklist.subspecialties import Subspecialty

Json = dict[str, Any]
TEXT: Json = {"type": "string"}
MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}


def _object(required: list[str], **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": required}


def _array(of: Json) -> Json:
    return {"type": "array", "items": of}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


SUMMARY: Json = {
    "id": {"type": "integer"},
    "state": {"enum": [str(each) for each in CaseState]},
    "subspecialty": {"enum": [str(each) for each in Subspecialty]},
    "priority": {"enum": ["routine", "urgent", "stat"]},
    "study_uids": _array(TEXT),
    "site": {"type": ["string", "null"], "description": "code of the site; null for a patient's own request"},
    "due_at": MOMENT,
    "routed_by": {"type": "string", "description": "name of the routing rule"},
    "routed_why": {"type": "string", "description": "what of the study matched"},
    "reader": {"type": ["string", "null"]},
    "created_at": MOMENT,
    "ready_at": MOMENT,
}
REQUEST: Json = {
    "reason": TEXT,
    "history": TEXT,
    "questions": _array(TEXT),
    "prior_report": TEXT,
    "prior_report_author": TEXT,
    "prior_report_date": TEXT,
}
SCHEMAS: Json = {
    "CaseSummary": _object(list(SUMMARY), **SUMMARY),
    "Case": _object(
        [*SUMMARY, *REQUEST],
        **SUMMARY,
        **REQUEST,
        hold_reason=TEXT,
        images_added_at=MOMENT,
        images_added={"type": "integer", "description": "images that came after the case was claimed"},
        images_replaced_at=MOMENT,
        images_replaced={"type": "integer", "description": "images of which another version was accepted since"},
        images_version={"type": "integer", "description": "grows with every image and every replacement; see sign"},
        signed_at=MOMENT,
        delivered_at=MOMENT,
        opinion={"oneOf": [_ref("Opinion"), {"type": "object", "maxProperties": 0}, {"type": "null"}]},
        opinion_saved_at=MOMENT,
        studies=_array(_ref("CaseStudy")),
        reports=_array({"type": "object"}),
        actions=_array(TEXT),
        may_save={"type": "boolean", "description": "whether this person may store into its studies from the viewer"},
    ),
    "CaseStudy": _object(
        ["study_uid", "remarks", "series"],
        study_uid=TEXT,
        remarks=_array(_ref("Remark")),
        series=_array({"type": "object"}),
    ),
    "Remark": _object(
        ["kind", "count"],
        kind={"enum": [str(each) for each in Kind], "description": "what may be wrong with the images"},
        count={"type": "integer"},
        series_uid={"type": "string", "description": "of which series, if of one"},
        first={"type": ["integer", "null"]},
        last={"type": ["integer", "null"]},
        spacing={"type": ["number", "null"]},
        reason={"type": "string", "description": "why images were refused, or what accepted strangers carry"},
        at={"type": "string", "description": "when a coordinator accepted strangers, else empty"},
        of={"type": ["integer", "null"], "description": "how many images there would be with the missing ones"},
    ),
    "Request": _object([], **REQUEST),
    "Opinion": _object(
        [],
        findings=TEXT,
        impression=TEXT,
        recommendations=TEXT,
        answers=_array(_object(["question", "answer"], question=TEXT, answer=TEXT)),
        concordance={"enum": ["agree", "minor", "major", "not_provided", None]},
        concordance_comment=TEXT,
    ),
    "Delivery": _object(
        ["destination", "state", "attempts"],
        destination=TEXT,
        state={"enum": [str(each) for each in DeliveryState]},
        attempts={"type": "integer"},
        next_attempt_at=MOMENT,
        last_error=TEXT,
        proof=TEXT,
        proven_at=MOMENT,
    ),
    "Arrivals": _object(
        ["studies", "not_taken", "more", "only_counted"],
        studies=_array(_ref("StudyArrival")),
        not_taken=_array(_ref("NotTaken")),
        more={"type": "boolean"},
        only_counted=_array({"type": "object"}),
    ),
    "StudyArrival": _object(
        ["site", "site_id", "study_uid", "instances", "bytes", "senders", "not_taken"],
        site=TEXT,
        site_id={"type": "integer"},
        study_uid=TEXT,
        accession=TEXT,
        instances={"type": "integer"},
        bytes={"type": "integer"},
        images_at_sender={"type": ["integer", "null"]},
        first_at=MOMENT,
        last_at=MOMENT,
        senders=_array({"type": "object"}),
        not_taken=_array(_ref("NotTaken")),
    ),
    "NotTaken": _object(
        ["kind", "reason", "count"],
        kind=TEXT,
        reason=TEXT,
        count={"type": "integer"},
        status={"type": ["string", "null"]},
        last_at=MOMENT,
        ae_title=TEXT,
        decision=TEXT,
        answer=TEXT,
        study_uid=TEXT,
        sop_uid=TEXT,
    ),
    "Commitment": _object(
        ["id", "transaction_uid", "state", "asked", "committed", "failed"],
        id={"type": "integer"},
        transaction_uid=TEXT,
        site={"type": ["string", "null"]},
        ae_title=TEXT,
        state={"enum": [str(each) for each in CommitmentState]},
        asked={"type": "integer"},
        committed={"type": "integer"},
        failed=_array(_object(["reason", "count"], reason=TEXT, count={"type": "integer"}, words=TEXT, advice=TEXT)),
        received_at=MOMENT,
        judged_at=MOMENT,
        reported_at=MOMENT,
        reported_how=TEXT,
        last_error=TEXT,
        hint={"type": "string", "description": "what to configure, where that is what is missing"},
    ),
    "Priors": _object(
        ["state", "studies", "left_out", "progress"],
        state={"enum": [None, *(str(each) for each in PriorState)], "description": "of the question to the archive"},
        source=TEXT,
        last_error=TEXT,
        studies=_array({"type": "object"}),
        left_out=_array({"type": "object"}),
        progress={"type": ["object", "null"], "description": "studies, studies_here, images, images_here"},
    ),
    "Problem": _object(
        ["title", "status"],
        type=TEXT,
        title=TEXT,
        status={"type": "integer"},
        detail=TEXT,
        problems=_array(TEXT),
        images_added={"type": "integer"},
        images_replaced={"type": "integer"},
        images_version={"type": "integer"},
    ),
}
TROUBLE_ID = {"parameters": [{"name": "trouble_id", "in": "path", "required": True, "schema": {"type": "integer"}}]}
ARRIVAL_PARAMETERS = {
    "site": "the number of a site; a site's own people see theirs alone",
    "since": "a day (2026-11-25, UTC): studies whose last image came on it or later",
    "until": "a day: studies whose last image came on it or earlier",
    "page": "from 1 on, 50 studies each",
}
# act -> what it does, and the fields of its body
ACT_WORDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "claim": ("Take a READY case; 409 when somebody has it", ()),
    "release": ("Hand a case back to the worklist", ("reason",)),
    "hold": ("Stop, because something is missing", ("reason",)),
    "resume": ("Go on with a case that was on hold", ()),
    "submit": ("A patient hands the request in; 409 while it has no images", ()),
    "withdraw": ("A patient takes the request back", ()),
    "cancel": ("A coordinator ends the case", ("reason",)),
    "assign": ("A coordinator decides the subspecialty", ("subspecialty", "why")),
}


def _answer(description: str, schema: Json | None, media_type: str = "application/json") -> Json:
    content = {} if schema is None else {"content": {media_type: {"schema": schema}}}
    return {"description": description} | content


def _operation(summary: str, answer: Json, *, body: Json | None = None, status: str = "200") -> Json:
    problem = _answer("Problem (RFC 9457)", _ref("Problem"), "application/problem+json")
    sent = {"requestBody": {"content": {"application/json": {"schema": body}}}} if body else {}
    return {"summary": summary, "responses": {status: answer, "default": problem}} | sent


def _acts() -> Json:
    return {
        f"/api/v1/cases/{{case_id}}/{act}": {
            "post": _operation(
                ACT_WORDS[act][0],
                _answer("The case as it is now", _ref("Case")),
                body=_object([], **dict.fromkeys(ACT_WORDS[act][1], TEXT)) if ACT_WORDS[act][1] else None,
            )
        }
        for act in ACTS
    }


def document() -> Json:
    """The whole description."""
    case = _answer("The case", _ref("Case"))
    paths: Json = {
        "/api/v1/cases": {
            "get": _operation("The cases that you may see, the most pressing first",
                              _answer("Cases", _object(["cases"], cases=_array(_ref("CaseSummary")))))
            | {"parameters": [{"name": "state", "in": "query", "schema": TEXT,
                               "description": "one state, or several with commas"}]},
            "post": _operation("A patient begins a case", case, body=_ref("Request"), status="201"),
        },
        "/api/v1/cases/{case_id}": {"get": _operation("One case", case)},
        "/api/v1/cases/{case_id}/request": {
            "put": _operation("Change what the requester wrote", case, body=_ref("Request"))
        },
        "/api/v1/cases/{case_id}/opinion": {
            "put": _operation("Keep what the reader has written so far", _answer("Kept", {"type": "object"}),
                              body=_ref("Opinion"))
        },
        "/api/v1/cases/{case_id}/sign": {
            "post": _operation(
                "Freeze the opinion and send it on its way; 409 with images_added and images_version when images came "
                "or were replaced after the claim and the body does not name the images_version that was looked at",
                case, body=_object([], images_version={"type": "integer"}),
            )
        },
        "/api/v1/cases/{case_id}/deliveries": {
            "get": _operation("Where the report goes, with attempts and proof",
                              _answer("Deliveries", _object(["deliveries"], deliveries=_array(_ref("Delivery")))))
        },
        "/api/v1/cases/{case_id}/priors": {
            "get": _operation("The earlier studies that are fetched from the archive of the case's site, and how far",
                              _answer("Earlier studies", _ref("Priors")))
        },
        "/api/v1/cases/{case_id}/priors/look": {
            "post": _operation("Look for earlier studies, or look again; 409 where nothing can be asked",
                               _answer("Earlier studies", _ref("Priors")))
        },
        "/api/v1/cases/{case_id}/priors/stop": {
            "post": _operation("Fetch no more; what is here stays", _answer("Earlier studies", _ref("Priors")))
        },
        "/api/v1/cases/{case_id}/report.dcm": {
            "get": _operation("The report as DICOM SR", _answer("Part 10", TEXT, "application/dicom"))
        },
        "/api/v1/cases/{case_id}/report.pdf": {
            "get": _operation("The report as PDF", _answer("PDF", TEXT, "application/pdf"))
        },
        "/api/v1/arrivals": {
            "get": _operation("Proof for the sender: what arrived, and what was not taken and why",
                              _answer("Arrivals", _ref("Arrivals")))
            | {"parameters": [
                {"name": name, "in": "query", "schema": TEXT, "description": description}
                for name, description in ARRIVAL_PARAMETERS.items()
            ]}
        },
        "/api/v1/quarantine": {
            "get": _operation("What was kept aside and waits for a coordinator, by study and reason",
                              _answer("Kept aside", _object(["kept_aside"], kept_aside=_array({"type": "object"}))))
        },
        "/api/v1/quarantine/{trouble_id}": {
            "get": _operation("One object, and in what it differs from what we have",
                              _answer("Compared", {"type": "object"})) | TROUBLE_ID
        },
    } | {
        f"/api/v1/quarantine/{{trouble_id}}/{act}": {
            "post": _operation(words, _answer("How many were decided about", {"type": "object"}),
                               body=_object([], answer=TEXT, all={"type": "boolean"}, sure={"type": "boolean"}))
            | TROUBLE_ID
        }
        for act, words in (
            ("accept", "Let it into its study; “sure” where it names another patient"),
            ("reject", "Keep it out, and tell the sender why"),
        )
    } | {
        "/api/v1/arrivals/{site_id}/{study_uid}": {
            "get": _operation("Every object of one study (“none”: of no study), and why some were not taken",
                              _answer("Objects", _object(["study_uid", "instances", "not_taken"], study_uid=TEXT,
                                                         instances=_array({"type": "object"}),
                                                         not_taken=_array({"type": "object"}))))
            | {"parameters": [
                {"name": "site_id", "in": "path", "required": True, "schema": {"type": "integer"}},
                {"name": "study_uid", "in": "path", "required": True, "schema": TEXT},
            ]}
        },
        "/api/v1/commitments": {
            "get": _operation("Storage commitment: what senders asked, what is safe, and when they were told",
                              _answer("Transactions", _object(["commitments"], commitments=_array(_ref("Commitment")))))
            | {"parameters": [{"name": "site", "in": "query", "schema": TEXT,
                               "description": ARRIVAL_PARAMETERS["site"]}]}
        },
        "/api/v1/commitments/{commitment_id}": {
            "get": _operation("Every instance of one transaction",
                              _answer("Instances", _object(["id", "instances"], id={"type": "integer"},
                                                           instances=_array({"type": "object"}))))
            | {"parameters": [{"name": "commitment_id", "in": "path", "required": True, "schema": {"type": "integer"}}]}
        },
    } | _acts()  # fmt: skip
    for path, item in paths.items():
        if "{case_id}" in path:
            item["parameters"] = [{"name": "case_id", "in": "path", "required": True, "schema": {"type": "integer"}}]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Overread", "version": "1", "description": "Radiology second opinions."},
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "overread"},
            },
        },
    }


def create_blueprint() -> flask.Blueprint:
    """The route that hands the description out."""
    blueprint = flask.Blueprint("openapi", __name__)
    written = document()

    @blueprint.get("/api/openapi.json")
    def openapi() -> flask.Response:
        return flask.jsonify(written)

    return blueprint
