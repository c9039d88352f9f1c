"""Transfers that were cut, as the receivers took them down, carried into the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from config.database import Database
from gateway.written import when_written
from scp.endings import SUFFIX, read_endings
from worklist.models import CutOff, now

KEPT = timedelta(days=90)
MOST = 2_000
"""Of each origin, the last ones: nobody fills the database by hanging up. A receiver's file names fewer."""


def cuts_to_note(database: Database, counters: Path) -> Callable[[], bool]:
    """A step that writes what is new, when the receivers have written something."""
    return when_written(counters, f"*{SUFFIX}", lambda: note_cuts(database, counters))


def note_cuts(database: Database, counters: Path) -> None:
    """Write down new cuts, and which of those that are known were made good since; repeatable."""
    cuts, released = read_endings(counters)
    recent = [one for one in cuts if one.at > now() - KEPT]
    with database.reading() as session:
        known = set(session.scalars(select(CutOff.key).where(CutOff.key.in_([one.key for one in recent]))))
        open_ones = session.scalars(select(CutOff).where(CutOff.mended_at.is_(None))).all()
    fresh = [CutOff(**asdict(one)) for one in recent if one.key not in known]
    mended = {
        one.key: at for one in (*fresh, *open_ones) if (at := released.get((one.origin, one.study_uid))) and at > one.at
    }
    if not (fresh or mended):
        return
    with database.writing() as session:
        session.execute(delete(CutOff).where(CutOff.at < now() - KEPT))
        session.add_all(fresh)
        session.flush()
        for origin in sorted({one.origin for one in fresh}):
            _keep_the_last(session, origin)
        for row in session.scalars(select(CutOff).where(CutOff.key.in_(mended))):
            row.mended_at = mended[row.key]


def _keep_the_last(session: Session, origin: str) -> None:
    last = select(CutOff.key).where(CutOff.origin == origin).order_by(CutOff.at.desc(), CutOff.key).limit(MOST)
    session.execute(delete(CutOff).where(CutOff.origin == origin, CutOff.key.not_in(last)))
