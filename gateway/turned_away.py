"""The receivers' counts of associations that were not opened, carried into the database for the coordinator."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, select

from config.database import Database
from scp.callers import read_callers
from worklist.models import TurnedAway, now

KEPT = timedelta(days=90)


def note_turned_away(database: Database, counters: Path) -> bool:
    """Write what is new; repeatable, since a line is written again under its key, never added up."""
    lines, _ = read_callers(counters)
    with database.reading() as session:
        known = {key: count for key, count in session.execute(select(TurnedAway.key, TurnedAway.count))}
    fresh = [line for line in lines if known.get(line.key) != line.count]
    if fresh:
        with database.writing() as session:
            session.execute(delete(TurnedAway).where(TurnedAway.last_at < now() - KEPT))
            for line in fresh:
                session.merge(TurnedAway(**asdict(line)))
    return False
