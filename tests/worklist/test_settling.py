"""When a study is complete: quiet, and what is known of its sender."""

from __future__ import annotations

from datetime import timedelta

import pytest

from worklist.lacking import lacking
from worklist.models import Study, now
from worklist.routing import Routed
from worklist.routing_rules import Priority
from worklist.settling import Waiting, settle, something_to_settle
from worklist.subspecialties import Subspecialty

QUIET, PATIENCE = timedelta(seconds=60), timedelta(minutes=10)


def route(_facts):
    return Routed("rule", Subspecialty.THORACIC, Priority.ROUTINE, 24.0, "")


@pytest.fixture
def study(database, people, rows):
    """Makes a study of a hospital with so many images, the last of which came so long ago."""

    def made(images: int, ago: timedelta, **said) -> str:
        origin = f"site:{people.site()}"
        for _ in range(images):
            rows.image(origin, "1.2.9", at=now() - ago)
        with database.writing() as session:
            row = session.query(Study).one()
            for name, value in said.items():
                setattr(row, name, value)
            if "expected" in said and "asked_version" not in said:
                row.asked_version = row.version
        return origin

    return made


def opened(database, being_sent=()) -> int:
    waiting = Waiting(QUIET, PATIENCE, now(), being_sent)
    with database.reading() as session:
        foreseen = something_to_settle(session, waiting)
    with database.writing() as session:
        cases = settle(session, waiting, route)
    assert foreseen == bool(cases)
    return len(cases)


def test_a_study_that_waits_for_its_senders_other_images_is_told_until_it_is_a_case(database, study) -> None:
    """For up to ten minutes it was nowhere to be seen."""
    origin = study(4, timedelta(minutes=9), expected=6)
    with database.reading() as session:
        (waiting,) = lacking(session, PATIENCE, origin)
        assert (waiting.here, waiting.missing, waiting.until) == (4, 2, waiting.study.last_at + PATIENCE)
        assert [len(lacking(session, PATIENCE, whose)) for whose in ("", "site:999")] == [1, 0]
    assert opened(database) == 0
    with database.writing() as session:
        session.query(Study).one().last_at = now() - PATIENCE
    assert opened(database) == 1
    with database.reading() as session:
        assert not lacking(session, PATIENCE)


def test_without_more_knowledge_quiet_decides(database, study) -> None:
    study(2, timedelta(seconds=30))
    assert opened(database) == 0
    with database.writing() as session:
        session.query(Study).one().last_at = now() - QUIET
    assert opened(database) == 1


def test_a_study_of_which_everything_is_here_does_not_wait_for_quiet(database, study) -> None:
    study(3, timedelta(seconds=2), expected=3)
    assert opened(database) == 1


def test_a_study_of_which_the_sender_has_more_waits_beyond_quiet_but_not_for_ever(database, study) -> None:
    study(3, timedelta(minutes=2), expected=4)
    assert opened(database) == 0
    with database.writing() as session:
        session.query(Study).one().last_at = now() - PATIENCE
    assert opened(database) == 1


def test_a_count_from_before_the_last_image_came_says_nothing(database, study) -> None:
    study(3, timedelta(seconds=2), expected=3, asked_version=2)
    assert opened(database) == 0


def test_while_its_association_is_open_a_study_is_not_complete(database, study) -> None:
    origin = study(3, timedelta(minutes=2))
    assert opened(database, {(origin, "1.2.9")}) == 0
    assert opened(database, {("site:999", "1.2.9"), (origin, "1.2.8")}) == 1
