"""When a study becomes a case, and who may write what into one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from worklist import cases, lifecycle, settling
from worklist.access import Viewer
from worklist.cases import RequestText
from worklist.models import AuditLine, Case, CaseStudy, Study, now
from worklist.routing import Routed, load_rules
from worklist.routing_rules import Priority
from worklist.settling import Waiting, settle
from worklist.states import CaseState
from worklist.subspecialties import Subspecialty

QUIET = timedelta(seconds=5)
EARLIER = timedelta(minutes=1)
ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def route(facts):
    return Routed("rule", Subspecialty.NEURORADIOLOGY, Priority.URGENT, 24.0, f"because of {facts.modalities}")


def settle_now(database, until=None) -> list[int]:
    with database.writing() as session:
        return settle(session, Waiting(QUIET, QUIET, until or now()), route)


def ask(database, patient, **text) -> int:
    fields = {"reason": "worried", "history": "headache", "questions": ("Is it benign?",)} | text
    with database.writing() as session:
        return cases.start(session, patient, RequestText(**fields)).id


def test_a_quiet_study_opens_exactly_one_case(database, people, rows) -> None:
    site = people.site()
    study = rows.image(f"site:{site}", at=now() - EARLIER)
    assert len(settle_now(database)) == 1
    assert settle_now(database) == []
    with database.reading() as session:
        case = session.query(Case).one()
        assert (case.state, case.site_id, case.studies[0].id) == (CaseState.READY, site, study)
        assert (case.subspecialty, case.priority, case.routed_by) == ("neuroradiology", "urgent", "rule")
        assert "CT" in case.routed_why
        assert case.due_at == pytest.approx(now() + timedelta(hours=24), abs=timedelta(minutes=1))


def test_two_workers_that_settle_at_once_open_one_case_for_each_study(database, people, rows, at_once) -> None:
    """On PostgreSQL both once saw the study unsettled, and each made a case of it."""
    site = people.site()
    for number in range(5):
        rows.image(f"site:{site}", f"1.2.{number}", at=now() - EARLIER)
    outcomes = at_once(*[lambda: settle_now(database)] * 4)
    assert sorted(len(each) for each in outcomes if isinstance(each, list)) != []
    assert [each for each in outcomes if not isinstance(each, list)] == []
    assert sum(map(len, outcomes)) == 5
    with database.reading() as session:
        assert session.query(Case).count() == session.query(CaseStudy).count() == 5


def test_a_worker_that_saw_the_study_unsettled_before_another_settled_it_opens_nothing(database, people, rows) -> None:
    rows.image(f"site:{people.site()}", at=now() - EARLIER)
    with database.reading() as slow:
        seen = slow.query(Study).one()
    assert len(settle_now(database)) == 1
    with database.writing() as session:
        assert not settling._settled_here(session, seen)


@ONE_ENGINE
def test_a_study_that_is_not_quiet_yet_or_has_images_in_the_inbox_opens_nothing(database, people, rows) -> None:
    rows.image(f"site:{people.site()}", at=now() - timedelta(seconds=10))
    assert settle_now(database, until=now() - timedelta(seconds=8)) == [], "an image still waits since 8 s"
    assert len(settle_now(database)) == 1


@ONE_ENGINE
def test_a_late_image_marks_the_case_and_opens_no_other(database, people, rows) -> None:
    site = people.site()
    rows.image(f"site:{site}", at=now() - EARLIER)
    (case_id,) = settle_now(database)
    assert rows.read(case_id).images_added_at is None
    late = now()
    rows.image(f"site:{site}", at=late)
    assert rows.read(case_id).images_added_at == late
    assert settle_now(database, until=now() + EARLIER) == []


def test_an_image_that_comes_while_its_study_is_being_settled_is_seen(database, people, rows, at_once) -> None:
    """Either the study was not quiet after all, or the case says that images were added: never neither."""
    site = people.site()
    for number in range(6):
        uid = f"1.2.{number}"
        rows.image(f"site:{site}", uid, at=now() - EARLIER)
        outcomes = at_once(lambda: settle_now(database), lambda uid=uid: rows.image(f"site:{site}", uid, at=now()))
        assert [each for each in outcomes if isinstance(each, Exception)] == []
        opened = outcomes[0]
        if opened:
            assert rows.read(opened[0]).images_added_at is not None
        else:
            assert len(settle_now(database, until=now() + EARLIER)) == 1


def test_images_recorded_at_once_are_all_counted(database, rows, at_once) -> None:
    """The version is the ETag of what we say of a study: a lost count once meant a stale answer (PostgreSQL)."""
    study = rows.image("site:1")
    assert not [each for each in at_once(*[lambda: rows.image("site:1")] * 4) if isinstance(each, Exception)]
    with database.reading() as session:
        assert session.get_one(Study, study).version == 5


@ONE_ENGINE
def test_the_same_study_uid_from_two_sites_makes_two_studies_and_two_cases(database, people, rows) -> None:
    sites = [people.site(), people.site()]
    studies = [rows.image(f"site:{site}", "1.2.3", at=now() - EARLIER) for site in sites]
    assert len(set(studies)) == 2
    opened = settle_now(database)
    assert sorted(rows.read(case_id).site_id for case_id in opened) == sorted(sites)


@ONE_ENGINE
def test_a_patients_upload_belongs_to_its_case_and_waits_until_the_request_is_handed_in(database, people, rows) -> None:
    patient = people.patient()
    case_id = ask(database, patient)
    study = rows.image(f"case:{case_id}", at=now() - EARLIER)
    assert settle_now(database) == []
    with database.writing() as session:
        lifecycle.submit(session, cases.get(session, patient, case_id), patient)
    assert settle_now(database) == [case_id]
    with database.reading() as session:
        assert session.query(CaseStudy).one().case_id == case_id
        assert session.query(Case).one().studies[0].id == study


@ONE_ENGINE
def test_a_request_with_two_studies_opens_when_both_are_quiet(database, people, rows) -> None:
    """It once opened when the first was, while the second was still being uploaded."""
    patient = people.patient()
    case_id = ask(database, patient)
    rows.image(f"case:{case_id}", "1.2.3", at=now() - EARLIER)
    rows.image(f"case:{case_id}", "1.2.4", at=now())
    with database.writing() as session:
        lifecycle.submit(session, cases.get(session, patient, case_id), patient)
    assert settle_now(database) == []
    assert settle_now(database, until=now() + QUIET) == [case_id]
    assert rows.read(case_id).images_added_at is None
    with database.reading() as session:
        assert session.query(Study).filter(Study.settled).count() == 2


@ONE_ENGINE
def test_a_further_study_that_comes_for_a_case_on_the_worklist_marks_it(database, people, rows) -> None:
    patient = people.patient()
    case_id = ask(database, patient)
    rows.image(f"case:{case_id}", "1.2.3", at=now() - EARLIER)
    with database.writing() as session:
        lifecycle.submit(session, cases.get(session, patient, case_id), patient)
    settle_now(database)
    late = now() - QUIET
    rows.image(f"case:{case_id}", "1.2.4", at=late)
    assert settle_now(database) == []
    assert rows.read(case_id).images_added_at == late


@ONE_ENGINE
def test_the_rules_see_what_the_patient_wrote(database, people, rows) -> None:
    seen = []
    patient = people.patient()
    case_id = ask(database, patient, reason="second look", history="fall", questions=("Fracture?",))
    rows.image(f"case:{case_id}", at=now() - EARLIER, description="XR wrist")
    with database.writing() as session:
        lifecycle.submit(session, cases.get(session, patient, case_id), patient)
    with database.writing() as session:
        settle(session, Waiting(QUIET, QUIET, now()), lambda facts: seen.append(facts) or route(facts))
    assert seen[0].history == "second look\nfall\nFracture?", "the end of one text denies nothing of the next"
    assert (seen[0].study_description, seen[0].modalities, seen[0].body_parts) == ("XR wrist", ("CT",), ("HEAD",))


@ONE_ENGINE
def test_only_a_patient_begins_a_request(database, people) -> None:
    """Others once got a case that they could not see themselves."""
    for who in (people.reader(), people.coordinator(), people.hospital(people.site())):
        with pytest.raises(lifecycle.NotAllowed):
            ask(database, who)


@ONE_ENGINE
def test_the_requester_changes_the_request_until_a_reader_has_it(database, people, rows) -> None:
    site = people.site()
    ours, others, reader = people.hospital(site), people.hospital(people.site()), people.reader()
    case_id = rows.case(site_id=site)
    text = RequestText("why", "history", ("What?",))
    with database.writing() as session:
        case = session.get_one(Case, case_id)
        cases.change_request(session, case, ours, text, route)
        for who in (others, reader):
            with pytest.raises(lifecycle.NotAllowed):
                cases.change_request(session, case, who, text, route)
        lifecycle.claim(session, case, reader)
        with pytest.raises(lifecycle.WrongState):
            cases.change_request(session, case, ours, text, route)
    assert rows.read(case_id).questions == ["What?"]


SHIPPED = load_rules(Path(__file__).parents[2] / "config" / "routing.toml").route


def change(database, case_id: int, who, history: str) -> None:
    with database.writing() as session:
        cases.change_request(session, session.get_one(Case, case_id), who, RequestText("why", history, ()), SHIPPED)


def spine(database, people, rows) -> tuple[int, Viewer]:
    """A lumbar spine on the worklist, as the shipped rules put it there, and its hospital."""
    site = people.site()
    rows.image(f"site:{site}", at=now() - EARLIER, description="MRI LUMBAR SPINE")
    with database.writing() as session:
        (case_id,) = settle(session, Waiting(QUIET, QUIET, now()), SHIPPED)
    return case_id, people.hospital(site)


def test_a_request_that_changes_on_the_worklist_is_routed_anew(database, people, rows) -> None:
    """A hospital that wrote "cauda equina" after the images were there once waited two days like before."""
    case_id, hospital = spine(database, people, rows)
    assert rows.read(case_id).priority == "routine"
    change(database, case_id, hospital, "incontinence, cauda equina?")
    case = rows.read(case_id)
    assert (case.state, case.priority, case.turnaround_hours) == (CaseState.READY, "stat", 4)
    assert case.due_at == pytest.approx(now() + timedelta(hours=4), abs=timedelta(minutes=1))
    assert "history says “cauda equina*”" in case.routed_why
    assert "before that it was Neuroradiology, routine, within 48 hours" in case.routed_why
    with database.reading() as session:
        (line,) = session.query(AuditLine).filter_by(action="reroute")
        assert line.detail == "From Neuroradiology, routine, within 48 hours to Neuroradiology, stat, within 4 hours."
    change(database, case_id, hospital, "no cauda equina syndrome")
    assert rows.read(case_id).due_at == rows.read(case_id).ready_at + timedelta(hours=48)


@ONE_ENGINE
def test_a_change_that_decides_nothing_else_moves_nothing(database, people, rows) -> None:
    case_id, hospital = spine(database, people, rows)
    before = rows.read(case_id)
    change(database, case_id, hospital, "pain since May")
    after = rows.read(case_id)
    assert (after.due_at, after.routed_why, after.history) == (before.due_at, before.routed_why, "pain since May")
    with database.reading() as session:
        assert session.query(AuditLine).filter_by(action="reroute").count() == 0


@ONE_ENGINE
def test_what_a_coordinator_assigned_no_rule_takes_away(database, people, rows) -> None:
    (case_id, hospital), boss = spine(database, people, rows), people.coordinator()
    with database.writing() as session:
        lifecycle.assign(session, session.get_one(Case, case_id), boss, "musculoskeletal", "a disc")
    change(database, case_id, hospital, "cauda equina?")
    case = rows.read(case_id)
    assert (case.subspecialty, case.priority, case.routed_why) == ("musculoskeletal", "routine", "a disc")


@ONE_ENGINE
def test_only_the_holder_writes_the_opinion_and_only_while_holding_it(database, people, rows) -> None:
    reader, other = people.reader(), people.reader()
    case_id = rows.case(CaseState.CLAIMED, reader_id=reader.person_id)
    with database.writing() as session:
        case = session.get_one(Case, case_id)
        cases.save_draft(session, case, reader, {"findings": "one"})
        with pytest.raises(lifecycle.NotAllowed):
            cases.save_draft(session, case, other, {"findings": "two"})
        lifecycle.hold(session, case, reader, "the prior is missing")
        with pytest.raises(lifecycle.WrongState):
            cases.save_draft(session, case, reader, {"findings": "three"})
    assert rows.read(case_id).draft == {"findings": "one"}


@ONE_ENGINE
def test_the_worklist_shows_the_most_pressing_first_and_what_has_no_due_time_last(database, people, rows) -> None:
    reader = people.reader()
    later = rows.case(due_at=now() + timedelta(hours=9))
    never = rows.case(due_at=None)
    sooner = rows.case(due_at=now() + timedelta(hours=1))
    with database.reading() as session:
        found = [case.id for case in cases.visible(session, reader, [CaseState.READY])]
    assert found == [sooner, later, never]
