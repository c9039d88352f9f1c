"""Every address of the application: nobody comes in without a right, and what is not theirs looks like nothing."""

from __future__ import annotations

import re
from secrets import token_hex

import pytest

from worklist.models import Case, CaseStudy, Person
from worklist.routes import ACTS
from worklist.states import CaseState, Role

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

# Addresses that say nothing of anybody and are there for whoever asks.
PUBLIC = {
    ("/", "GET"),
    ("/api/openapi.json", "GET"),
    ("/health", "GET"),
    ("/login", "GET"),
    ("/login", "POST"),
    ("/metrics", "GET"),
    ("/verify", "GET"),
    ("/verify", "POST"),
    ("/logout", "POST"),
    ("/shared", "GET"),
    ("/shared", "POST"),
    ("/shared/case", "GET"),
    ("/shared/close", "POST"),
    ("/shared/look", "GET"),
    ("/shared/report.pdf", "GET"),
}
VALUES = {"case_id": "1", "study_uid": "1.2.3", "series_uid": "1.2.3.1", "sop_uid": "1.2.3.1.1"}


def addresses(web) -> set[tuple[str, str]]:
    """Every path with a value for each of its variables, and each of its methods."""
    found = set()
    for rule in web.app.url_map.iter_rules():
        for path in spelled_out(rule.rule):
            found |= {(path, method) for method in rule.methods - {"HEAD", "OPTIONS"}}
    return found


def spelled_out(rule: str) -> list[str]:
    choices = re.search(r"<any\(([^)]*)\):\w+>", rule)
    if choices:
        words = [each.strip(" '\"") for each in choices[1].split(",")]
        return [path for word in words for path in spelled_out(rule.replace(choices[0], word, 1))]
    return [re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", lambda found: VALUES.get(found[1], "1"), rule)]


def test_nobody_gets_anything_without_signing_in(web, people) -> None:
    case_with_study(web, people, "site:1")
    came_in = {}
    for path, method in sorted(addresses(web) - PUBLIC):
        answer = web.ask(None, method, path, headers={"X-CSRFToken": "x"} if method != "GET" else {})
        to_sign_in = answer.status_code in {302, 303} and "/login" in answer.location
        if answer.status_code not in {400, 401, 403, 404} and not to_sign_in:
            came_in[method, path] = answer.status_code
    assert came_in == {}


def test_without_a_session_every_case_of_the_api_answers_401_whatever_was_sent(web) -> None:
    for path, method in sorted(addresses(web)):
        if path.startswith("/api/v1"):
            answer = web.ask(None, method, path, headers={"Authorization": "Bearer wrong"}, json={"surprise": 1})
            assert answer.status_code == 401, (method, path)
            assert answer.content_type == "application/problem+json"
            assert "WWW-Authenticate" in answer.headers


def case_with_study(web, people, origin: str, **values) -> int:
    """A case of somebody, READY for thoracic, with one archived image; its id."""
    # a patient of this test alone: the archive, which tests share, tells instances apart by patient and UIDs
    uids = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1", "SOPInstanceUID": "1.2.3.1.1"}
    web.world.receive(web.world.make(PatientID=token_hex(8), **uids), origin)
    web.world.carry()
    with web.database.writing() as session:
        case = Case(state=CaseState.READY, subspecialty="thoracic", **values)
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=web.world.studies()[-1].id))
        assert case.id == 1
        return case.id


def strangers(people) -> dict[str, object]:
    return {
        "another patient": people.patient(),
        "another site": people.hospital(people.site()),
        "a reader of something else": people.reader("neuroradiology"),
        "somebody of a site without a site": people.person(Role.SITE),
        "a person without a role": people.person(),
    }


def test_a_case_of_others_looks_like_none_at_every_address_of_the_api_and_of_dicomweb(web, people) -> None:
    site, owner = people.site(), people.patient()
    case_with_study(web, people, f"site:{site}", site_id=site, patient_id=owner.person_id)
    paths = [(path, method) for path, method in addresses(web) if "/1" in path and path.startswith(("/api/", "/dicom"))]
    assert len(paths) > len(ACTS) + 8
    for name, who in strangers(people).items():
        for path, method in sorted(paths):
            absent = path.replace("/cases/1", "/cases/99").replace("1.2.3", "1.9.9")
            theirs, none = (web.ask(who, method, each, json=BODIES.get(path)) for each in (path, absent))
            assert theirs.status_code == none.status_code, (name, method, path)
            found_nothing = theirs.status_code == 200 and theirs.json == []  # a search
            assert found_nothing or theirs.status_code in {400, 403, 404, 405, 406, 415}, (name, method, path)
            assert theirs.data.replace(b"case 1.", b"case 99.") == none.data, (name, method, path)
        assert web.ask(who, "GET", "/api/v1/cases").json == {"cases": []}, name
        searched = web.ask(who, "GET", "/dicom-web/studies", headers={"Accept": "application/dicom+json"})
        assert searched.status_code in {204, 404} or searched.json == [], name


BODIES = {
    "/api/v1/cases/1/assign": {"subspecialty": "thoracic"},
    "/api/v1/cases/1/hold": {"reason": "why"},
    "/api/v1/cases/1/cancel": {"reason": "why"},
}


def test_a_case_of_others_looks_like_none_at_every_page(web, people) -> None:
    site, owner = people.site(), people.patient()
    case_with_study(web, people, f"site:{site}", site_id=site, patient_id=owner.person_id)
    pages = [(path, method) for path, method in addresses(web) if path.startswith("/cases/1")]
    assert pages
    for name, who in strangers(people).items():
        for path, method in sorted(pages):
            assert web.ask(who, method, path).status_code == 404, (name, method, path)


def test_those_whose_case_it_is_see_it_and_its_images(web, people) -> None:
    site, owner = people.site(), people.patient()
    case_with_study(web, people, f"site:{site}", site_id=site, patient_id=owner.person_id)
    for who in (owner, people.hospital(site), people.reader("thoracic"), people.coordinator(), people.admin()):
        assert web.ask(who, "GET", "/api/v1/cases/1").status_code == 200
        images = web.ask(who, "GET", "/dicom-web/studies/1.2.3/metadata", headers={"Accept": "application/dicom+json"})
        assert (images.status_code, images.json[0]["00080018"]["Value"]) == (200, ["1.2.3.1.1"])


def test_the_right_to_images_ends_with_the_case(web, people) -> None:
    """A reader sees a READY case of their subspecialty, and no more once another has it."""
    case_with_study(web, people, "site:1")
    loser, winner = people.reader("thoracic"), people.reader("thoracic")
    metadata = "/dicom-web/studies/1.2.3/metadata"
    assert web.ask(loser, "GET", metadata).status_code == 200
    assert web.ask(winner, "POST", "/api/v1/cases/1/claim").status_code == 200
    assert web.ask(loser, "GET", metadata).status_code == 404
    assert web.ask(winner, "GET", metadata).status_code == 200


def test_knowing_the_uid_of_anothers_study_gives_no_right_to_it(web, people, make) -> None:
    """A patient uploads something under the UID of a hospital's study: each sees their own images alone."""
    site, patient = people.site(), people.patient()
    case_with_study(web, people, f"site:{site}", site_id=site)
    with web.database.writing() as session:
        own = Case(state=CaseState.DRAFT, patient_id=patient.person_id)
        session.add(own)
        session.flush()
        own_id = own.id
    mine = make(
        StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1", SOPInstanceUID="1.2.3.1.2", PatientID=token_hex(8)
    )
    web.world.receive(mine, f"case:{own_id}")
    web.world.carry()
    for who, expected in ((patient, "1.2.3.1.2"), (people.hospital(site), "1.2.3.1.1")):
        seen = web.ask(who, "GET", "/dicom-web/studies/1.2.3/metadata").json
        assert [each["00080018"]["Value"] for each in seen] == [[expected]]
    foreign = "/dicom-web/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1"
    assert web.ask(patient, "GET", foreign).status_code == 404


def test_a_person_who_was_made_inactive_is_nobody(web, people) -> None:
    boss = people.coordinator()
    token = {"Authorization": f"Bearer {web.token(boss)}"}
    with web.database.writing() as session:
        session.get_one(Person, boss.person_id).active = False
    assert web.ask(None, "GET", "/api/v1/cases", headers=token).status_code == 401
