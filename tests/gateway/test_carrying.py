"""While objects come in, the machine is the receivers'; but nothing waits for long."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from gateway import carrying
from gateway.carrying import Carrying
from scp.inbox import Inbox

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def worker(world) -> Carrying:
    return Carrying(world.inbox, world.ingest, world.proving, world.ingest.grace)


def carry(worker: Carrying) -> None:
    while worker.step():
        pass


def test_what_comes_right_now_waits_until_nothing_comes_any_more(world, worker, make, monkeypatch) -> None:
    monkeypatch.setattr(carrying, "GAP", 3600.0)
    monkeypatch.setattr(carrying, "PATIENCE", timedelta(days=1))
    world.receive(make())
    carry(worker)
    assert world.waiting() == 1
    assert worker.soonest() <= carrying.GAP, "it looks again by itself"
    monkeypatch.setattr(carrying, "GAP", 0.0)
    carry(worker)
    assert (world.waiting(), len(world.instances())) == (0, 1)


def test_nothing_waits_longer_than_its_patience_however_much_comes(world, worker, make, monkeypatch) -> None:
    monkeypatch.setattr(carrying, "GAP", 3600.0)
    monkeypatch.setattr(carrying, "PATIENCE", timedelta(0))
    world.receive(make())
    carry(worker)
    assert world.waiting() == 0


def test_a_clock_that_was_set_back_holds_nothing_up(world, worker, make, monkeypatch) -> None:
    world.receive(make())
    later = carrying.now() - timedelta(hours=1)
    monkeypatch.setattr(carrying, "now", lambda: later)
    carry(worker)
    assert world.waiting() == 0


def test_an_inbox_that_is_empty_costs_nothing_until_somebody_puts_something(world, worker, make) -> None:
    carry(worker)
    assert worker.soonest() == math.inf
    world.receive(make())
    assert worker.soonest() < 1


def test_another_worker_takes_over_when_the_first_is_gone(world, worker, make, monkeypatch) -> None:
    monkeypatch.setattr(carrying, "GAP", 0.0)
    world.receive(make())
    with Inbox(world.folders.inbox).lock():
        assert not worker.step()
        assert worker.soonest() == carrying.TAKE_OVER
    carry(worker)
    assert world.waiting() == 0
