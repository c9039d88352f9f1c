"""Objects that nobody has seen to: equal ones are one line, with the newest to be seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from worklist.models import AuditLine, Instance, Trouble, now
from worklist.turned_away import TurnedAway, turned_away
from worklist.unattended import FOLDED, attend, unattended

NOON = now().replace(microsecond=0)


@pytest.fixture
def trouble(database):
    """Writes down an object, a minute after the one before."""
    made = []

    def add(**said) -> None:
        number = len(made)
        blank = {"kind": "refused", "origin": "site:1", "sender": "CT_1", "status": 0xC010, "sop_uid": f"1.2.{number}",
                 "reason": f"It ends early (at byte {number})", "study_uid": f"1.{number}"}  # fmt: skip
        made.append(number)
        with database.writing() as session:
            at = NOON + timedelta(minutes=number)
            session.add(Trouble(**blank | said, key=str(number), received_at=at))

    return add


def seen(database) -> list[tuple[int, str, str]]:
    with database.reading() as session:
        return [(one.count, one.reason, one.newest.sop_uid) for one in unattended(session)]


def test_equal_refusals_are_one_with_the_newest_first_and_the_oldest_only_counted(database, trouble) -> None:
    for _ in range(FOLDED + 5):
        trouble()
    trouble(kind="quarantined", status=0, reason="Its Patient ID is not that of the others.")
    with database.reading() as session:
        aside, refused = unattended(session)
    assert (aside.count, aside.reason, aside.older) == (1, "Its Patient ID is not that of the others.", ())
    assert (refused.count, refused.reason, refused.newest.sop_uid) == (FOLDED + 5, "It ends early", f"1.2.{FOLDED + 4}")
    assert [row.sop_uid for row in refused.older] == [f"1.2.{n}" for n in range(FOLDED + 3, 3, -1)]
    assert (refused.first_at, refused.last_at) == (NOON, NOON + timedelta(minutes=FOLDED + 4))


def test_what_differs_in_site_fault_or_study_to_decide_about_is_apart(database, trouble) -> None:
    trouble()
    trouble(origin="site:2")
    trouble(status=0xC020, reason="It has no UID")
    for study_uid in ("1.1", "1.2"):
        trouble(kind="quarantined", status=0, reason="It contradicts.", study_uid=study_uid)
    assert [count for count, *_ in seen(database)] == [1] * 5
    with database.reading() as session:
        assert [one.newest.origin for one in unattended(session, "site:2")] == ["site:2"], "what a site sees of it"


def test_what_is_marked_as_seen_is_what_was_shown(database, people, trouble) -> None:
    """What came between the look and the click once would have gone unseen."""
    for _ in range(3):
        trouble()
    trouble(origin="site:2")
    with database.reading() as session:
        shown = unattended(session)[1].newest.id
    trouble()
    boss = people.coordinator()
    with database.writing() as session:
        assert attend(session, boss, shown) == 3
        assert attend(session, boss, shown) == 0
    assert [(count, uid) for count, _, uid in seen(database)] == [(1, "1.2.4"), (1, "1.2.3")]
    with database.reading() as session:
        assert [line.detail for line in session.query(AuditLine)] == ["3 refused: It ends early"]


def test_what_waits_for_a_decision_cannot_be_marked_as_seen(database, people, trouble) -> None:
    trouble(kind="quarantined", status=0)
    boss = people.coordinator()
    with database.writing() as session:
        assert attend(session, boss, session.query(Trouble).one().id) == 0
        assert attend(session, boss, 999) == 0
    assert len(seen(database)) == 1


def test_what_was_refused_and_came_after_all_waits_for_nobody(database, people, rows, trouble) -> None:
    rows.image("site:1", "1.2.3")
    with database.reading() as session:
        here = session.query(Instance).one().sop_uid
    trouble(study_uid="1.2.3", sop_uid=here)
    trouble(study_uid="1.2.3", sop_uid=here, origin="site:2")
    assert [(count, uid) for count, _, uid in seen(database)] == [(1, here)], "another site's is still missing"
    boss = people.coordinator()
    with database.writing() as session:
        assert attend(session, boss, session.query(Trouble).order_by(Trouble.id).first().id) == 0


def test_a_caller_who_is_refused_by_two_receivers_is_one(database) -> None:
    """Each receiving process counts for itself: the coordinator saw the same refusal twice."""
    with database.writing() as session:
        for key, calling, count in (("a", "STRANGER", 2), ("b", "STRANGER", 3), ("c", "OTHER", 1)):
            session.add(TurnedAway(key=key, calling=calling, called="OVERREAD", address="10.0.0.1", why="CALLING",
                                   count=count, first_at=NOON, last_at=NOON + timedelta(minutes=count)))  # fmt: skip
    with database.reading() as session:
        found = turned_away(session, TurnedAway.last_at >= NOON, most=9)
    assert [(one.calling, one.count) for one in found] == [("STRANGER", 5), ("OTHER", 1)]
    assert found[0].last_at == NOON + timedelta(minutes=3)
