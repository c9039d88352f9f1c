"""How names, ages, moments and states are said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.demo import PASSWORD, PEOPLE
from gateway.portal import timeline
from gateway.portal.case_page import CONCORDANCES
from gateway.portal.layout import DEMO_PASSWORD, DEMO_PEOPLE
from gateway.portal.moves import MOVES
from gateway.portal.words import (
    DELIVERIES,
    DONE,
    PRIORITIES,
    STATES,
    STATES_FOR_PATIENTS,
    age,
    counted,
    distance,
    done,
    due,
    moment,
    person_name,
)
from sr_reports.opinion import Concordance
from worklist.lifecycle import Action
from worklist.models import Study
from worklist.routing_rules import Priority
from worklist.states import CaseState, DeliveryState

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dicom", "read"),
    [
        ("Example^Ada", "Ada Example"),
        ("Example^Ada^Maria^Dr.^MD", "Dr. Ada Maria Example, MD"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "山田 太郎 (Tarou Yamada)"),
        ("=山田^太郎", "山田 太郎"),
        ("Müller", "Müller"),
        ("  Example  ^ Ada ", "Ada Example"),
        ("", "Name not given"),
        ("^^^^", "Name not given"),
        ("===", "Name not given"),
        ("a=b=c=d=e^f^g^h^i^j^k", "b (a)"),
    ],
)
def test_a_dicom_name_is_said_in_reading_order_whatever_it_is(dicom: str, read: str) -> None:
    assert person_name(dicom) == read


@pytest.mark.parametrize(
    ("born", "stated", "said"),
    [
        ("19740303", None, "52 years at the examination"),
        ("19741121", None, "51 years at the examination"),
        ("20261020", None, "1 month at the examination"),
        ("20261021", None, "less than 1 month at the examination"),
        ("20241121", None, "23 months at the examination"),
        ("20241120", None, "2 years at the examination"),
        ("20250101", 3.0, "22 months at the examination"),
        ("", 62.0, "62 years at the examination"),
        ("", 23 / 12, "23 months at the examination"),
        ("", None, ""),
        ("not a date", None, ""),
        ("20300101", None, ""),
        ("00010101", None, ""),
    ],
)
def test_an_age_is_that_of_the_examination_and_said_to_be_so(born: str, stated: float | None, said: str) -> None:
    """It was once that of today, beside images ten years old."""
    assert age(Study(birth_date=born, study_date="20261120", age_years=stated)) == said


def test_without_a_date_of_the_examination_the_age_is_what_the_images_say() -> None:
    assert age(Study(birth_date="19740303", study_date="", age_years=None)) == ""
    assert age(Study(birth_date="19740303", study_date="", age_years=41.0)) == "41 years at the examination"


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (timedelta(hours=3), "in 3 hours"),
        (timedelta(hours=-2), "2 hours ago"),
        (timedelta(minutes=59, seconds=50), "in 1 hour"),
        (timedelta(minutes=-1), "1 minute ago"),
        (timedelta(hours=35), "in 35 hours"),
        (timedelta(hours=49), "in 2 days"),
        (timedelta(seconds=10), "in a moment"),
        (timedelta(seconds=-10), "just now"),
    ],
)
def test_a_moment_is_told_by_its_distance(away: timedelta, said: str) -> None:
    assert distance(NOON + away, NOON) == said


def test_a_moment_carries_its_zone_for_the_browser() -> None:
    said = moment(NOON)
    assert 'datetime="2026-11-24T12:00:00+00:00"' in said
    assert ">Tuesday 24 November 2026, 12:00 UTC<" in said


def test_lateness_is_said_in_words() -> None:
    warnings = {due(NOON + timedelta(hours=hours), NOON).warning for hours in (-1, 1, 24)}
    assert warnings == {"Overdue", "Due soon", ""}


def test_numbers_agree_with_their_nouns() -> None:
    assert counted(1, "image") == "1 image"
    assert counted(1234, "image") == "1,234 images"
    assert counted(2, "series", "series") == "2 series"


def test_every_state_has_words() -> None:
    assert set(STATES) == set(STATES_FOR_PATIENTS) == set(timeline.STANDS_AT) == set(CaseState)
    assert set(DELIVERIES) == set(DeliveryState)
    assert set(PRIORITIES) == set(Priority)
    assert [value for value, _ in CONCORDANCES] == list(Concordance)


def test_every_move_of_a_person_has_a_button() -> None:
    ours = {Action.OPEN, Action.REROUTE, Action.DELIVER}  # what nobody clicks
    with_a_page = {Action.SIGN}
    assert set(MOVES) == set(Action) - ours - with_a_page


def test_the_sign_in_page_names_the_demonstration_s_people() -> None:
    assert {email for email, *_ in DEMO_PEOPLE} == {person.email for person in PEOPLE}
    assert DEMO_PASSWORD == PASSWORD


def test_a_history_says_in_words_what_was_done() -> None:
    assert set(Action) <= set(DONE)
    assert [done("open"), done("something else")] == ["Put on the worklist", "Something else"]
