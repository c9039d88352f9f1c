"""Links as rows: every attempt is counted before it is judged, and what has ended shows nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from worklist import sharing
from worklist.lifecycle import NotAllowed, WrongState
from worklist.models import Case, ShareLink, now
from worklist.sharing import MOST_MISTAKES, Wanted


@pytest.fixture
def link(database, rows, people) -> ShareLink:
    owner = people.patient()
    case_id = rows.case(patient_id=owner.person_id)
    with database.writing() as session:
        case = session.get_one(Case, case_id)
        return sharing.make(session, case, owner, wanted(case))


def wanted(case: Case, **other) -> Wanted:
    given = {"made_for": "Dr Miller", "days": 7, "factor_kind": "PIN", "factor": "hash", "sha256": "a" * 64}
    return Wanted(**{**given, "study_ids": frozenset(study.id for study in case.studies), **other})


def test_no_number_of_attempts_at_once_is_more_than_allowed(database, link, at_once) -> None:
    def attempt() -> bool:
        with database.writing() as session:
            return sharing.begin_attempt(session, "a" * 64) is not None

    outcomes = at_once(*[attempt] * (MOST_MISTAKES + 4))
    assert sum(one is True for one in outcomes) == MOST_MISTAKES
    with database.reading() as session:
        assert session.get_one(ShareLink, link.id).mistakes == MOST_MISTAKES


def test_a_right_answer_forgives_and_opens_for_one_browser(database, link) -> None:
    with database.writing() as session:
        assert sharing.begin_attempt(session, "a" * 64).id == link.id
        sharing.was_good(session, link.id, "b" * 64, "192.0.2.1")
    with database.reading() as session:
        assert session.get_one(ShareLink, link.id).mistakes == 0
        shown = sharing.shown_to(session, "b" * 64)
        assert (shown.link_id, shown.case_id, shown.study_ids) == (link.id, link.case_id, frozenset(link.study_ids))
        assert sharing.shown_to(session, "c" * 64) is None


@pytest.mark.parametrize("how", ["expires_at", "revoked_at"])
def test_what_has_ended_opens_and_shows_nothing(database, link, how) -> None:
    with database.writing() as session:
        sharing.was_good(session, link.id, "b" * 64, "")
        setattr(session.get_one(ShareLink, link.id), how, now() - timedelta(seconds=1))
    with database.writing() as session:
        assert sharing.begin_attempt(session, "a" * 64) is None
        assert sharing.shown_to(session, "b" * 64) is None


def test_only_studies_of_the_case_are_shared_by_whose_case_it_is(database, rows, people) -> None:
    owner, other, case_id, another = people.patient(), people.patient(), rows.case(), rows.case()
    with database.writing() as session:
        case, foreign = session.get_one(Case, case_id), session.get_one(Case, another)
        case.patient_id = owner.person_id
        with pytest.raises(NotAllowed):
            sharing.make(session, case, other, wanted(case))
        for studies in (frozenset(), frozenset(study.id for study in foreign.studies)):
            with pytest.raises(WrongState):
                sharing.make(session, case, owner, wanted(case, study_ids=studies))
