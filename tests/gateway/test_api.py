"""The JSON API as programs use it."""

from __future__ import annotations

import re

import pytest

from gateway.openapi import document
from worklist.models import Case, now
from worklist.routes import ACTS
from worklist.states import CaseState, Role

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PROBLEM = "application/problem+json"
WHOLE_OPINION = {
    "findings": "No acute haemorrhage.",
    "impression": "Normal CT of the head.",
    "recommendations": "None.",
    "answers": [],
    "concordance": "not_provided",
}


def case_in(web, state: CaseState = CaseState.READY, **values) -> int:
    with web.database.writing() as session:
        case = Case(state=state, **{"subspecialty": "neuroradiology"} | values)
        session.add(case)
        session.flush()
        return case.id


def test_the_worklist_has_the_contracts_fields_and_only_the_readers_own_subspecialties(web, people) -> None:
    mine = case_in(web, due_at=now(), routed_by="brain")
    case_in(web, subspecialty="thoracic")
    answer = web.ask(people.reader(), "GET", "/api/v1/cases?state=READY")
    assert answer.status_code == 200
    (case,) = answer.json["cases"]
    assert case["id"] == mine
    assert {"id", "state", "subspecialty", "study_uids", "site", "due_at", "routed_by"} <= set(case)
    assert (case["state"], case["routed_by"]) == ("READY", "brain")


def test_several_states_may_be_asked_for_and_an_unknown_one_is_explained(web, people) -> None:
    who = people.coordinator()
    case_in(web)
    case_in(web, CaseState.SIGNED)
    case_in(web, CaseState.CANCELLED)
    assert len(web.ask(who, "GET", "/api/v1/cases?state=READY,SIGNED").json["cases"]) == 2
    wrong = web.ask(who, "GET", "/api/v1/cases?state=DONE")
    assert (wrong.status_code, wrong.content_type) == (400, PROBLEM)
    assert "“DONE” is not a state" in wrong.json["detail"]


def test_claiming_what_somebody_has_answers_409_to_readers_of_its_subspecialty(web, people) -> None:
    case_id = case_in(web)
    first, second, boss = people.reader(), people.reader(), people.coordinator()
    assert web.ask(first, "POST", f"/api/v1/cases/{case_id}/claim").json["state"] == "CLAIMED"
    assert web.ask(first, "POST", f"/api/v1/cases/{case_id}/claim").status_code == 409
    lost = web.ask(second, "POST", f"/api/v1/cases/{case_id}/claim")
    assert (lost.status_code, lost.content_type) == (409, PROBLEM), "it once said 404 to who had just seen it"
    assert web.ask(second, "GET", f"/api/v1/cases/{case_id}").status_code == 404
    assert web.ask(boss, "POST", f"/api/v1/cases/{case_id}/claim").status_code == 403


def test_a_case_of_another_subspecialty_cannot_be_told_from_none_by_claiming_it(web, people) -> None:
    other = case_in(web, CaseState.CLAIMED, subspecialty="thoracic", reader_id=people.reader("thoracic").person_id)
    for who in (people.reader(), people.patient(), people.person(Role.PATIENT, subspecialties=("thoracic",))):
        theirs = web.ask(who, "POST", f"/api/v1/cases/{other}/claim")
        none = web.ask(who, "POST", "/api/v1/cases/999999/claim")
        assert theirs.status_code == none.status_code == 404


def test_the_way_of_a_case_through_the_api(web, people) -> None:
    case_id, reader = case_in(web), people.reader()
    path = f"/api/v1/cases/{case_id}"
    assert web.ask(reader, "POST", f"{path}/claim").json["actions"] == ["hold", "release", "sign"]
    saved = web.ask(reader, "PUT", f"{path}/opinion", json={"findings": "so far"})
    assert saved.status_code == 200
    assert saved.json["opinion"]["findings"] == "so far"
    assert web.ask(reader, "POST", f"{path}/hold", json={"reason": ""}).status_code == 400
    held = web.ask(reader, "POST", f"{path}/hold", json={"reason": "the prior is missing"})
    assert (held.json["state"], held.json["hold_reason"]) == ("ON_HOLD", "the prior is missing")
    assert web.ask(reader, "PUT", f"{path}/opinion", json={"findings": "more"}).status_code == 409
    assert web.ask(reader, "POST", f"{path}/resume").json["hold_reason"] == ""
    released = web.ask(reader, "POST", f"{path}/release")
    assert (released.json["state"], released.json["reader"]) == ("READY", None)
    assert web.ask(people.reader(), "POST", f"{path}/claim").json["opinion"]["findings"] == "so far"


@pytest.mark.parametrize(
    "body",
    [
        {"findings": 3},
        {"concordance": "perhaps"},
        {"answers": "yes"},
        {"answers": [{"answer": "a"}]},
        {"surprise": "field"},
    ],
)
def test_what_is_no_opinion_is_refused_with_the_field_that_is_wrong(web, people, body) -> None:
    reader = people.reader()
    case_id = case_in(web, CaseState.CLAIMED, reader_id=reader.person_id)
    answer = web.ask(reader, "PUT", f"/api/v1/cases/{case_id}/opinion", json=body)
    assert (answer.status_code, answer.content_type) == (400, PROBLEM)
    assert next(iter(body)) in answer.json["detail"]


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"', b"null", b"\xff"])
def test_a_body_that_is_no_object_is_refused(web, people, body: bytes) -> None:
    reader = people.reader()
    case_id = case_in(web, CaseState.CLAIMED, reader_id=reader.person_id)
    path = f"/api/v1/cases/{case_id}/opinion"
    answer = web.ask(reader, "PUT", path, data=body, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (400, PROBLEM)


def test_a_patient_begins_a_request_and_hands_it_in(web, people) -> None:
    patient = people.patient()
    text = {"reason": "worried", "history": "headache", "questions": ["Benign?", " "]}
    begun = web.ask(patient, "POST", "/api/v1/cases", json=text)
    assert begun.status_code == 201
    assert (begun.json["state"], begun.json["questions"]) == ("DRAFT", ["Benign?"])
    path = f"/api/v1/cases/{begun.json['id']}"
    assert web.ask(patient, "PUT", f"{path}/request", json=text | {"history": "none"}).json["history"] == "none"
    web.world.receive(web.world.make(), f"case:{begun.json['id']}")
    web.world.carry()
    assert web.ask(patient, "POST", f"{path}/submit").json["state"] == "AWAITING_IMAGES"
    assert web.ask(patient, "POST", f"{path}/withdraw").json["state"] == "CANCELLED"
    assert web.ask(people.reader(), "POST", "/api/v1/cases", json=text).status_code == 403


def test_a_coordinator_assigns_a_subspecialty_and_the_case_says_why(web, people) -> None:
    case_id, boss = case_in(web, subspecialty="unassigned"), people.coordinator()
    path = f"/api/v1/cases/{case_id}/assign"
    wrong = web.ask(boss, "POST", path, json={"subspecialty": "brain surgery"})
    assert wrong.status_code == 400
    assert "neuroradiology" in wrong.json["detail"]
    done = web.ask(boss, "POST", path, json={"subspecialty": "thoracic", "why": "a chest"})
    assert (done.json["subspecialty"], done.json["routed_by"], done.json["routed_why"]) == (
        "thoracic", "coordinator", "a chest",
    )  # fmt: skip


def test_signing_an_unfinished_opinion_lists_everything_that_is_missing(web, people) -> None:
    reader, site = people.reader(), people.site()
    case_id = web.world.held_case(reader, site, draft={"findings": "  "}, questions=["Is it benign?"])
    answer = web.ask(reader, "POST", f"/api/v1/cases/{case_id}/sign")
    assert (answer.status_code, answer.content_type) == (400, PROBLEM)
    missing = " ".join(answer.json["problems"])
    for what in ("impression", "findings", "Is it benign?", "Agreement"):
        assert what in missing
    assert web.ask(reader, "GET", f"/api/v1/cases/{case_id}").json["state"] == "CLAIMED"


def test_signing_freezes_the_opinion(web, people) -> None:
    reader = people.reader()
    case_id = web.world.held_case(reader, people.site())
    path = f"/api/v1/cases/{case_id}"
    assert web.ask(reader, "PUT", f"{path}/opinion", json=WHOLE_OPINION).status_code == 200
    signed = web.ask(reader, "POST", f"{path}/sign")
    assert (signed.status_code, signed.json["state"]) == (200, "SIGNED"), signed.json
    assert [report["version"] for report in signed.json["reports"]] == [1]
    assert web.ask(reader, "PUT", f"{path}/opinion", json={"findings": "else"}).status_code == 409
    assert web.ask(reader, "POST", f"{path}/sign").status_code == 409
    assert web.ask(reader, "GET", path).json["opinion"]["findings"] == WHOLE_OPINION["findings"]
    early = web.ask(reader, "GET", f"{path}/report.pdf")
    assert (early.status_code, early.content_type) == (404, PROBLEM)


def test_images_that_came_after_the_claim_must_be_named_to_sign_over_them(web, people) -> None:
    """The API once signed over images that the reader had never seen."""
    reader, site, image = people.reader(), people.site(), web.world.make()
    case_id = web.world.held_case(reader, site, image)
    web.world.release(case_id)
    path = f"/api/v1/cases/{case_id}"
    claimed = web.ask(reader, "POST", f"{path}/claim").json
    assert (claimed["images_added"], claimed["images_version"]) == (0, 1)
    study = claimed["studies"][0]["study_uid"]
    for _ in range(3):
        web.world.receive(web.world.make(StudyInstanceUID=study), f"site:{site}")
    web.world.carry()
    for body in ({}, {"images_version": 1}, {"images_version": 5}):
        refused = web.ask(reader, "POST", f"{path}/sign", json=body)
        assert (refused.status_code, refused.content_type) == (409, PROBLEM)
        assert (refused.json["images_added"], refused.json["images_version"]) == (3, 4)
        assert "3 images were added after you claimed this case" in refused.json["detail"]
    assert web.ask(reader, "POST", f"{path}/sign", json={"images_version": "4"}).status_code == 400
    shown = web.ask(reader, "GET", path).json["images_version"]
    assert web.ask(reader, "POST", f"{path}/sign", json={"images_version": shown}).json["state"] == "SIGNED"


def test_images_that_were_there_before_the_claim_need_not_be_named(web, people) -> None:
    first, second, site, image = people.reader(), people.reader(), people.site(), web.world.make()
    case_id = web.world.held_case(first, site, image)
    path, study = f"/api/v1/cases/{case_id}", web.world.studies()[0].study_uid
    web.world.release(case_id)
    web.ask(first, "POST", f"{path}/claim")
    web.world.receive(web.world.make(StudyInstanceUID=study), f"site:{site}")
    web.world.carry()
    assert web.ask(first, "POST", f"{path}/release").json["images_added"] == 0
    assert web.ask(second, "POST", f"{path}/claim").json["images_added"] == 0
    assert web.ask(second, "POST", f"{path}/sign").status_code == 200


def test_a_case_without_images_cannot_be_signed(web, people) -> None:
    reader = people.reader()
    case_id = case_in(web, CaseState.CLAIMED, reader_id=reader.person_id, draft=WHOLE_OPINION)
    answer = web.ask(reader, "POST", f"/api/v1/cases/{case_id}/sign")
    assert answer.status_code == 400
    assert "images" in answer.json["detail"]


def test_what_a_reader_writes_is_nobody_elses_until_it_is_signed(web, people) -> None:
    patient, reader = people.patient(), people.reader()
    draft = {"findings": "secret so far"}
    case_id = case_in(web, CaseState.CLAIMED, reader_id=reader.person_id, patient_id=patient.person_id, draft=draft)
    path = f"/api/v1/cases/{case_id}"
    assert web.ask(reader, "GET", path).json["opinion"] == draft
    for who in (patient, people.coordinator()):
        answer = web.ask(who, "GET", path)
        assert answer.json["opinion"] is None
        assert b"secret" not in answer.data


def test_the_description_names_every_route_of_the_api_and_no_other(web) -> None:
    described = {
        (path, method.upper())
        for path, item in document()["paths"].items()
        for method in item
        if method in {"get", "post", "put", "delete", "patch"}
    }
    there = set()
    for rule in web.app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1"):
            for path in spelled_out(rule.rule):
                there |= {(path, method) for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert described == there


def spelled_out(rule: str) -> list[str]:
    """Flask's path in OpenAPI's words; a choice of words becomes one path each."""
    path = re.sub(r"<(?:int:)?(\w+)>", r"{\1}", rule)
    if "<any(" not in path:
        return [path]
    before, _, rest = path.partition("<any(")
    choices, _, after = rest.partition("):name>")
    return [before + each.strip(" '") + after for each in choices.split(",")]


def test_the_description_is_public_and_every_act_is_described(web) -> None:
    answer = web.ask(None, "GET", "/api/openapi.json")
    assert answer.status_code == 200
    assert answer.json["openapi"].startswith("3.1")
    assert all(f"/api/v1/cases/{{case_id}}/{act}" in answer.json["paths"] for act in ACTS)


def test_every_field_that_the_api_answers_is_described(web, people) -> None:
    reader = people.reader()
    case_id = web.world.held_case(reader, people.site())
    schemas = document()["components"]["schemas"]
    whole = web.ask(reader, "GET", f"/api/v1/cases/{case_id}").json
    assert set(whole) == set(schemas["Case"]["properties"])
    listed = web.ask(reader, "GET", "/api/v1/cases").json["cases"][0]
    assert set(listed) == set(schemas["CaseSummary"]["properties"])
