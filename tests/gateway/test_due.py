"""Rows that are due: shared by any number of workers, and nothing is lost with one of them."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.due import LEASE, Due
from worklist.models import Case, Delivery, Peer, Report, Site, Study, now
from worklist.states import CaseState, DeliveryState


@pytest.fixture
def due(database) -> Due:
    return Due(database, Delivery, DeliveryState.PENDING, first_pause=5.0, longest_pause=60.0)


@pytest.fixture
def deliveries(database, people) -> list[int]:
    """Ten deliveries that are due."""
    who = people.reader()
    with database.writing() as session:
        case, study = Case(state=CaseState.SIGNED), Study(origin="site:1", study_uid="1.2")
        session.add_all([case, study])
        session.flush()
        report = Report(
            case_id=case.id, study_id=study.id, version=1, content={}, reference=b"", signer_id=who.person_id,
            signed_at=now(), sr_uid="1", sr_series_uid="2", pdf_uid="3", pdf_series_uid="4",
        )  # fmt: skip
        session.add(report)
        session.flush()
        past = now() - timedelta(seconds=1)
        made = [Delivery(report_id=report.id, destination="PACS", next_attempt_at=past) for _ in range(10)]
        session.add_all(made)
        session.flush()
        return [each.id for each in made]


def change(database, row: int, **values: object) -> None:
    with database.writing() as session:
        for name, value in values.items():
            setattr(session.get_one(Delivery, row), name, value)


def read(database, row: int) -> Delivery:
    with database.reading() as session:
        return session.get_one(Delivery, row)


def test_many_workers_take_each_row_exactly_once(due, deliveries) -> None:
    def take_all(_: int) -> list[int]:
        taken = []
        while (row := due.claim()) is not None:
            taken.append(row)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [row for rows in pool.map(take_all, range(4)) for row in rows]
    assert sorted(taken) == sorted(deliveries)


def test_a_row_whose_worker_died_becomes_due_again_when_its_lease_ran_out(due, database, deliveries) -> None:
    for row in deliveries[1:]:
        change(database, row, next_attempt_at=None)
    assert due.claim() == deliveries[0]
    assert due.claim() is None, "it is leased"
    assert now() < read(database, deliveries[0]).lease_until <= now() + LEASE
    change(database, deliveries[0], lease_until=now() - timedelta(seconds=1))
    assert due.claim() == deliveries[0]
    assert read(database, deliveries[0]).attempts == 2


def test_what_is_not_due_or_done_is_not_taken(due, database, deliveries) -> None:
    change(database, deliveries[0], next_attempt_at=now() + timedelta(hours=1))
    change(database, deliveries[1], state=DeliveryState.PROVEN)
    change(database, deliveries[2], state=DeliveryState.NEEDS_PERSON)
    change(database, deliveries[3], next_attempt_at=None)
    taken = set()
    while (row := due.claim()) is not None:
        taken.add(row)
    assert taken == set(deliveries[4:])


def test_pauses_double_and_are_never_longer_than_the_longest(due, database, deliveries) -> None:
    row, pauses = deliveries[0], []
    for _ in range(6):
        change(database, row, next_attempt_at=now() - timedelta(seconds=1), lease_until=None)
        for other in deliveries[1:]:
            change(database, other, next_attempt_at=None)
        assert due.claim() == row
        before = now()
        due.put_off(row, "the peer does not answer")
        pauses.append(round((read(database, row).next_attempt_at - before).total_seconds()))
    assert pauses == [5, 10, 20, 40, 60, 60]
    kept = read(database, row)
    assert (kept.state, kept.last_error, kept.lease_until) == (DeliveryState.PENDING, "the peer does not answer", None)


@pytest.fixture
def careful(due, database, deliveries) -> Due:
    """One delivery at a time for each peer; the third is for another peer than all the others."""
    with database.writing() as session:
        site = Site(code="TWO", name="Two")
        site.peers = [Peer(ae_title=f"PACS{number}", host="h", port=1, receives_reports=True) for number in range(2)]
        session.add(site)
        session.flush()
        mute, other = (peer.id for peer in site.peers)
    for number, row in enumerate(deliveries):
        change(database, row, peer_id=other if number == 2 else mute)
    return replace(due, take_turns=True)


def test_two_deliveries_to_one_peer_wait_for_each_other_and_others_do_not(careful, database, deliveries) -> None:
    """A PACS that accepts a connection and says nothing once held up the reports of every other."""
    assert [careful.claim(), careful.claim(), careful.claim()] == [deliveries[0], deliveries[2], None]
    change(database, deliveries[0], state=DeliveryState.PROVEN, lease_until=None)
    assert careful.claim() == deliveries[1]


def test_two_workers_that_claim_at_the_same_moment_do_not_get_two_of_one_peer(careful, database, deliveries) -> None:
    """On PostgreSQL neither saw the other's lease, and the peer got two reports at once."""
    change(database, deliveries[2], next_attempt_at=None)
    with ThreadPoolExecutor(1) as pool:
        with database.writing() as session:
            assert careful.take(session) == deliveries[0]
            second = pool.submit(careful.claim)
            with suppress(TimeoutError):
                second.result(1.0)  # it waits for us, or has not seen us
        assert second.result() is None


def test_a_lease_is_renewed_for_as_long_as_a_peer_takes(due, database, deliveries, wait_for) -> None:
    """A slow PACS outlasted the lease, and a second worker sent it the same report at the same time."""
    short = replace(due, lease=timedelta(seconds=1))
    for row in deliveries[1:]:
        change(database, row, next_attempt_at=None)
    row = short.claim()
    begun = read(database, row).lease_until
    with short.held(row):
        wait_for(lambda: now() > begun + timedelta(seconds=1))
        assert short.claim() is None
        short.put_off(row, "it was not there after all")
        assert read(database, row).lease_until is None
    assert read(database, row).lease_until is None, "nothing is renewed that is over"


def test_what_else_waits_for_a_peer_that_is_not_there_waits_as_long(careful, database, deliveries) -> None:
    """Each of many reports for a mute peer was tried by itself: together they kept a loop busy for ever."""
    pauses = []
    for _ in range(3):
        change(database, deliveries[2], next_attempt_at=None)
        row = careful.claim()
        careful.put_off(row, "it does not answer")
        careful.put_off_others(row)
        assert careful.claim() is None
        ahead = {read(database, each).next_attempt_at for each in deliveries if each != deliveries[2]}
        assert len(ahead) == 1
        pauses.append((row, round((ahead.pop() - now()).total_seconds())))
        same = now() - timedelta(seconds=1)
        for each in deliveries:
            change(database, each, next_attempt_at=same)
    assert pauses == [(deliveries[0], 5), (deliveries[0], 10), (deliveries[0], 20)]


def test_after_very_many_attempts_the_pause_is_still_the_longest(due, database, deliveries) -> None:
    """2 ** 1100 is more than a float holds: the worker once could not put anything off any more."""
    change(database, deliveries[0], attempts=1100)
    due.put_off(deliveries[0], "still nobody there")
    assert read(database, deliveries[0]).next_attempt_at <= now() + timedelta(seconds=60)


def test_a_slow_worker_does_not_undo_what_another_has_proven_meanwhile(due, database, deliveries) -> None:
    """Its lease ran out, another delivered; its own failure came later and once made the row pending again."""
    row = due.claim()
    change(database, row, state=DeliveryState.PROVEN, proof="found by a query")
    due.put_off(row, "the peer does not answer", DeliveryState.NEEDS_PERSON)
    assert read(database, row).state is DeliveryState.PROVEN
    assert read(database, row).last_error == ""


def test_the_clock_says_when_the_next_row_is_due(database, due, deliveries) -> None:
    assert due.soonest() == math.inf, "what is due already was claimed, or waits for somebody else to be done"
    with database.writing() as session:
        for number, row in enumerate(session.query(Delivery).order_by(Delivery.id)):
            row.next_attempt_at = now() + timedelta(seconds=100 + 10 * number)
    assert 90 < due.soonest() <= 100
    with database.writing() as session:
        session.query(Delivery).first().lease_until = now() + timedelta(seconds=50)
    assert 40 < due.soonest() <= 50
