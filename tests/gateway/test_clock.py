"""A clock that was set back by days: nothing waits until that time comes again, and nobody stays locked out."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import pytest

from gateway.accounts.guessing import PER_ADDRESS, Attempt, pause_before
from gateway.clock import ATTEMPTS, LEASES, PAST, Clock
from gateway.due import Due
from gateway.health import Health
from worklist.models import Base, Pulse, Report, SignInAttempt, Study, Trouble, now
from worklist.settling import Waiting, something_to_settle
from worklist.states import ReportState
from worklist.troubles import Decision, being_replaced

ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
AHEAD = timedelta(days=5)


def test_every_moment_that_holds_something_up_is_known() -> None:
    held_up = {"next_attempt_at", "lease_until", "carried_at", "last_at"}
    columns = {
        f"{table.__name__}.{column.name}"
        for table in (mapper.class_ for mapper in Base.registry.mappers)
        for column in table.__table__.columns
        if column.name in held_up
        and table.__name__ not in {"TurnedAway", "AccessLine", "TroubleTally"}  # they are only shown
    }
    assert columns <= {str(each) for each in (*PAST, *ATTEMPTS, *LEASES)}


def test_a_study_that_came_in_the_future_becomes_quiet_from_now_on(world, make) -> None:
    """It would have become a case days later."""
    world.receive(make())
    world.carry()
    with world.database.writing() as session:
        session.query(Study).one().last_at = now() + AHEAD
    Clock(world.database, 3600).step()
    with world.database.reading() as session:
        assert abs(session.query(Study).one().last_at - now()) < timedelta(minutes=1)
        soon = Waiting(timedelta(seconds=5), timedelta(seconds=60), now() + timedelta(seconds=10))
        assert something_to_settle(session, soon)


@ONE_ENGINE
def test_a_lease_and_a_next_attempt_of_the_future_hold_up_no_report(world, people) -> None:
    reader = people.reader()
    case_id = world.held_case(reader, people.site())
    report_id = world.sign(reader, case_id)
    due = Due(world.database, Report, ReportState.SIGNED, 5, 3600)
    with world.database.writing() as session:
        report = session.get_one(Report, report_id)
        report.lease_until, report.next_attempt_at = now() + AHEAD, now() + AHEAD
    assert due.claim() is None
    Clock(world.database, 3600).step()
    with world.database.reading() as session:
        assert session.get_one(Report, report_id).lease_until <= now()
    assert due.claim() == report_id


@ONE_ENGINE
def test_nobody_is_locked_out_by_mistakes_of_the_future(database) -> None:
    attempt = Attempt("reader@demo.example", "10.0.0.1")
    with database.writing() as session:
        for _ in range(PER_ADDRESS[0][1]):
            session.add(SignInAttempt(at=now() + AHEAD, account=attempt.account, address=attempt.address))
    with database.writing() as session:
        assert pause_before(session, attempt) > 3600
    Clock(database, 3600).step()
    with database.writing() as session:
        assert pause_before(session, attempt) <= 60


@ONE_ENGINE
def test_an_image_that_was_accepted_in_the_future_lets_a_report_be_signed(world, make) -> None:
    world.receive(make())
    world.carry()
    study = world.studies()[0]
    with world.database.writing() as session:
        session.add(
            Trouble(kind="quarantined", origin=study.origin, study_uid=study.study_uid, reason="", key="k",
                    decision=Decision.ACCEPTED, carried_at=now() + AHEAD)
        )  # fmt: skip
    Clock(world.database, 3600).step()
    with world.database.reading() as session:
        assert session.query(Trouble).one().carried_at <= now()
        assert being_replaced(session, [study.id]), "it is given its usual time, from now on"


@ONE_ENGINE
def test_only_a_clock_that_was_set_back_changes_what_we_planned(world, people, monkeypatch) -> None:
    reader = people.reader()
    report_id = world.sign(reader, world.held_case(reader, people.site()))

    def next_attempt():
        with world.database.reading() as session:
            return session.get_one(Report, report_id).next_attempt_at

    clock = Clock(world.database, 3600)
    clock.step()
    with world.database.writing() as session:
        session.get_one(Report, report_id).next_attempt_at = now() + AHEAD
    clock.step()
    assert next_attempt() > now() + timedelta(days=4)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86400)
    clock.step()
    assert next_attempt() < now() + timedelta(days=4)


@ONE_ENGINE
def test_what_waited_in_the_inbox_while_the_clock_was_set_back_becomes_quiet_from_now_on(
    world, make, monkeypatch
) -> None:
    """It was stored with its moment after the clock had been looked at, and its study waited for that moment."""
    clock = Clock(world.database, 3600)
    clock.step()
    world.receive(make(), at=now() + timedelta(hours=1))
    monkeypatch.setattr(time, "time", lambda before=time.time: before() - 3600)
    clock.step()
    world.carry()
    assert world.studies()[0].last_at > now() + timedelta(minutes=50)
    clock.step()
    assert world.studies()[0].last_at <= now()


@ONE_ENGINE
def test_what_was_held_in_the_future_is_asked_for_and_let_go(world, make) -> None:
    """It filled the disk until the clock had caught up."""
    entry = world.receive(make())
    world.carry()
    ahead = time.time() + AHEAD.total_seconds()
    os.utime(world.folders.inbox / "held" / entry.key, (ahead, ahead))
    assert [one.key for one in world.inbox.held(9, timedelta(hours=1))] == [entry.key]
    world.ingest.grace.step()
    assert world.inbox.held(9, timedelta(0)) == []


@ONE_ENGINE
def test_a_clock_that_is_set_forwards_shortens_no_grace(world, make, monkeypatch) -> None:
    """Everything held was let go at once, within the seconds that the archive may yet lose."""
    world.ingest.grace.seconds = 3600
    entry = world.receive(make())
    world.carry()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + AHEAD.total_seconds())
    world.ingest.grace.step()
    assert [one.key for one in world.inbox.held(9, timedelta(hours=1))] == [entry.key]
    monkeypatch.setattr(time, "monotonic", lambda before=time.monotonic: before() + 3600)
    world.ingest.grace.step()
    assert world.inbox.held(9, timedelta(0)) == []


@ONE_ENGINE
def test_a_pulse_of_the_future_is_no_sign_of_life(web) -> None:
    with web.database.writing() as session:
        session.merge(Pulse(part="worker: settle", at=now() + AHEAD, ok=True, detail=""))
    health = Health(web.parts.settings, web.database, web.parts.archive, web.parts.inbox, web.parts.sender)
    assert {one.part: one.ok for one in health.checks()}["worker"] is False


@ONE_ENGINE
def test_objects_that_come_after_the_clock_was_set_back_are_carried_like_the_others(world, make, monkeypatch) -> None:
    """Names begin with the time: what comes after sorts before."""
    images = [make() for _ in range(4)]
    real = time.time_ns
    for number, image in enumerate(images):
        monkeypatch.setattr(time, "time_ns", lambda number=number: real() - number * 86400 * 10**9)
        world.receive(image)
    assert world.inbox.backlog().count == 4
    world.carry()
    assert (len(world.instances()), world.waiting(), world.troubles()) == (4, 0, [])
