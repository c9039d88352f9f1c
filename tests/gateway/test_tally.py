"""No sender fills the database with refusals: beyond a number they are counted, and what was seen leaves the list."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError

import pytest
from pydicom.uid import generate_uid

from gateway.troubles import note_refusals, tidying
from scp.arrival import Refusal
from worklist import tally
from worklist.models import Trouble, TroubleTally, now
from worklist.states import TroubleKind

REASON = "The object ends before its data does (at byte 512)"


@pytest.fixture
def site(people) -> int:
    return people.site("ST_MARY")


def refuse(web, site: int, count: int, study_uid: str = "", status: int = 0xC010) -> None:
    for _ in range(count):
        study = study_uid or generate_uid()
        web.world.inbox.refuse(Refusal(f"site:{site}", "CT_1", REASON, status, "1.2", generate_uid(), study, now()))
    while note_refusals(web.world.inbox, web.database):
        pass


def listed(web) -> int:
    with web.database.reading() as session:
        return session.query(Trouble).count()


def counted(web) -> dict[int, int]:
    with web.database.reading() as session:
        return {one.status: one.count for one in session.query(TroubleTally)}


def test_beyond_a_number_refusals_of_a_sender_are_only_counted(web, people, site, monkeypatch) -> None:
    monkeypatch.setattr(tally, "MOST", 5)
    refuse(web, site, 12)
    assert (listed(web), counted(web)) == (5, {0xC010: 7})
    refuse(web, people.site("OTHER"), 2)
    assert listed(web) == 7, "another sender has a list of its own"
    for who, path in ((people.coordinator(), "/oversight"), (people.hospital(site), "/arrivals")):
        page = web.ask(who, "GET", path).get_data(as_text=True)
        assert "7 refusals of" in page
        assert "The object ends before its data does" in page
    told = web.ask(people.hospital(site), "GET", "/api/v1/arrivals").json["only_counted"]
    assert [(one["site_id"], one["count"], one["status"]) for one in told] == [(site, 7, "C010")]


def test_of_a_study_that_we_hold_something_is_always_listed(web, people, site, monkeypatch) -> None:
    """Else its case would not say that images are missing."""
    monkeypatch.setattr(tally, "MOST", 3)
    web.world.held_case(people.reader(), site)
    refuse(web, site, 9)
    refuse(web, site, 4, web.world.studies()[0].study_uid)
    assert (listed(web), counted(web)) == (4, {0xC010: 9})


@pytest.mark.parametrize("age", [timedelta(days=89), timedelta(days=91)])
def test_what_was_seen_long_ago_leaves_the_list_and_is_counted(web, site, age) -> None:
    refuse(web, site, 3)
    aside = {"kind": TroubleKind.QUARANTINED, "origin": f"site:{site}", "reason": "other", "key": "k", "file": "k"}
    with web.database.writing() as session:
        rows = session.query(Trouble).order_by(Trouble.id).all()
        for row in rows:
            row.received_at = now() - age
        rows[0].resolved_at = rows[1].resolved_at = now()
        session.add(Trouble(**aside, received_at=now() - age, resolved_at=now()))
    assert tidying(web.database) is False
    gone = 2 if age > tally.KEPT else 0
    assert (listed(web), counted(web)) == (4 - gone, {0xC010: gone} if gone else {})
    with web.database.reading() as session:
        assert session.query(Trouble).filter_by(resolved_at=None).count() == 1, "nobody has seen it"
        assert session.query(Trouble).filter_by(kind=TroubleKind.QUARANTINED).count() == 1, "its file is still there"


def test_two_workers_that_count_at_the_same_moment_lose_nothing(database) -> None:
    """On PostgreSQL the first row was made twice, or one wrote down a number that the other had raised meanwhile."""
    at = now()

    def count(together: Barrier) -> None:
        with database.writing() as session:
            tally._count(session, [Trouble(origin="site:1", status=7, reason=REASON, received_at=at)])
            with suppress(BrokenBarrierError):
                together.wait(1)  # before either has committed, where the database lets both come so far

    for _ in range(2):
        together = Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            for each in [pool.submit(count, together) for _ in range(2)]:
                each.result()
    with database.reading() as session:
        (row,) = session.query(TroubleTally)
        assert (row.count, row.first_at, row.last_at, row.reason) == (4, at, at, REASON)
