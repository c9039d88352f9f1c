"""Where nobody reads a subspecialty nobody is promised a date; who asked hears what happens, coordinators see it."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest

from worklist.models import Case, Person, now
from worklist.states import CaseState

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

PROMISES = ("Expected", "Due")


@pytest.fixture
def add_case(web: Any):
    """`add_case(subspecialty="breast")`: a READY case that is due tomorrow; its id."""

    def add(**said: Any) -> int:
        with web.database.writing() as session:
            due = {"due_at": now() + timedelta(hours=24), "ready_at": now(), "state": CaseState.READY}
            case = Case(**due | said)
            session.add(case)
            session.flush()
            return case.id

    return add


def text_of(web: Any, who: Any, path: str) -> str:
    return " ".join(html.unescape(web.ask(who, "GET", path).text).split())


@pytest.mark.parametrize("subspecialty", ["breast", "unassigned"])
def test_a_patient_is_promised_no_date_before_somebody_reads_what_it_is(web, people, add_case, subspecialty) -> None:
    patient, _ = people.patient(), people.reader("thoracic")
    case = add_case(subspecialty=subspecialty, patient_id=patient.person_id)
    page, rows = (text_of(web, patient, path) for path in (f"/cases/{case}", "/requests"))
    for shown in (page, rows):
        assert "We are looking for a specialist" in shown
        assert not any(promise in shown for promise in PROMISES)
    assert "nobody with us reads what your images show. Our coordinator sees your request" in page
    assert web.ask(patient, "GET", f"/api/v1/cases/{case}").json["due_at"] is None
    assert [each["due_at"] for each in web.ask(patient, "GET", "/api/v1/cases").json["cases"]] == [None]


def test_with_a_reader_the_date_is_there_and_the_page_sees_that_it_changed(web, people, add_case) -> None:
    patient = people.patient()
    case = add_case(subspecialty="breast", patient_id=patient.person_id)
    state = next(part for part in text_of(web, patient, f"/cases/{case}").split('"') if f"/cases/{case}/state" in part)
    assert "HX-Refresh" not in web.ask(patient, "GET", state).headers
    people.reader("breast")
    assert "HX-Refresh" in web.ask(patient, "GET", state).headers
    page = text_of(web, patient, f"/cases/{case}")
    assert "Expected" in page
    assert "With our specialists" in page
    assert web.ask(patient, "GET", f"/api/v1/cases/{case}").json["due_at"] is not None


def test_the_promise_ends_with_the_last_reader(web, people, add_case) -> None:
    patient, reader = people.patient(), people.reader("breast")
    case = add_case(subspecialty="breast", patient_id=patient.person_id)
    assert "Expected" in text_of(web, patient, f"/cases/{case}")
    with web.database.writing() as session:
        session.get_one(Person, reader.person_id).active = False
    assert "Expected" not in text_of(web, patient, f"/cases/{case}")


def test_a_hospital_hears_the_same_on_its_list_and_on_the_case(web, people, add_case) -> None:
    site = people.site()
    hospital = people.hospital(site)
    case = add_case(subspecialty="breast", site_id=site)
    for path in ("/site", f"/cases/{case}"):
        shown = text_of(web, hospital, path)
        assert "No date yet: nobody with us reads this at present. Our coordinator sees to it." in shown
        assert "Due " not in shown


def test_the_coordinator_sees_it_on_oversight_and_on_the_case_with_the_time_that_is_left(web, people, add_case) -> None:
    people.reader("thoracic")
    boss = people.coordinator()
    case = add_case(subspecialty="breast", patient_id=people.patient().person_id)
    assert "Nobody reads Breast; assign it" in text_of(web, boss, "/oversight")
    page = text_of(web, boss, f"/cases/{case}")
    assert "Nobody reads Breast" in page
    assert "Due " in page
    assert "Thoracic</option>" in page
    assert "Cardiac and vascular (nobody reads it)</option>" in page
    assert web.ask(boss, "GET", f"/api/v1/cases/{case}").json["due_at"] is not None
