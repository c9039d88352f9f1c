"""Refused connections come from the receivers' files into the database, once each."""

from __future__ import annotations

from gateway.callers import callers_to_note, note_callers
from scp.callers import Callers
from worklist.models import TurnedAway


def rows(database) -> list[tuple[str, str, int]]:
    with database.reading() as session:
        return [(one.calling, one.why, one.count) for one in session.query(TurnedAway).order_by(TurnedAway.calling)]


def test_refusals_are_carried_once_and_grow(database, tmp_path) -> None:
    """Reading what was known once failed at every try: a result that has keys was taken for a mapping."""
    callers = Callers(tmp_path, "receiver-1")
    for _ in range(2):
        callers.turned_away("STRANGER", "OVERREAD", "10.0.0.1", "CALLING")
    callers.save()
    note_callers(database, tmp_path)
    note_callers(database, tmp_path)
    assert rows(database) == [("STRANGER", "CALLING", 2)]
    callers.turned_away("STRANGER", "OVERREAD", "10.0.0.1", "CALLING")
    callers.save()
    note_callers(database, tmp_path)
    assert rows(database) == [("STRANGER", "CALLING", 3)]


def test_receivers_that_wrote_nothing_new_are_not_read_again(database, tmp_path) -> None:
    callers = Callers(tmp_path, "receiver-1")
    step = callers_to_note(database, tmp_path)
    for times in (1, 2):
        callers.turned_away("STRANGER", "OVERREAD", "10.0.0.1", "CALLING")
        callers.save()
        step()
        with database.reading() as session:
            assert session.query(TurnedAway).one().count == times
    with database.writing() as session:
        session.query(TurnedAway).delete()
    step()
    with database.reading() as session:
        assert session.query(TurnedAway).count() == 0
