"""What the receivers have seen of their callers, carried into the database for the coordinator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, select

from config.database import Database
from gateway.written import when_written
from scp.callers import read_callers
from worklist.models import Heard, TurnedAway, now

KEPT = timedelta(days=90)


def callers_to_note(database: Database, counters: Path) -> Callable[[], bool]:
    """A step that writes what is new, when the receivers have written something."""
    return when_written(counters, "*.callers", lambda: note_callers(database, counters))


def note_callers(database: Database, counters: Path) -> bool:
    """Write what is new; repeatable, since a line is written again under its key, never added up."""
    lines, heard = read_callers(counters)
    with database.reading() as session:
        known = {key: count for key, count in session.execute(select(TurnedAway.key, TurnedAway.count))}
        last = {title: at for title, at in session.execute(select(Heard.ae_title, Heard.at))}
    fresh = [line for line in lines if known.get(line.key) != line.count]
    newer = [one for one in heard if one.ae_title not in last or last[one.ae_title] < one.at]
    if fresh or newer:
        with database.writing() as session:
            session.execute(delete(TurnedAway).where(TurnedAway.last_at < now() - KEPT))
            for line in fresh:
                session.merge(TurnedAway(**asdict(line)))
            for one in newer:
                told = asdict(one) | {"accepted": list(one.accepted), "declined": list(one.declined)}
                session.merge(Heard(**told))
    return False
