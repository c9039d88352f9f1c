"""Every sealed row of an installation's database: which keys they need, and wrapping them anew."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import inspect, select, update

from config.database import Database
from config.keys import KeyMissing, KeyRing
from config.sealed_bytes import key_needed, wrapped_anew
from config.sealing import Damaged
from dicomweb.ready import subject_of
from worklist.models import SeriesMetadata as Row


def rows_need(database: Database) -> Counter[str]:
    """How many rows need each key, by its id; none where the tables were never made."""
    if not inspect(database.engine).has_table(Row.__tablename__):
        return Counter()
    with database.reading() as session:
        return Counter(filter(None, map(key_needed, session.scalars(select(Row.slot)))))


def rotate_rows(database: Database, ring: KeyRing) -> int:
    """Wrap every row with the active key; how many. Safe beside running parts, and to repeat after a kill.

    What no key opens is left: a worker makes it again.
    """
    if not rows_need(database).keys() - {ring.active().id}:
        return 0
    with database.reading() as session:
        found = session.execute(select(Row.series_id, Row.version, Row.slot)).all()
    return sum(_wrap(database, ring, *row) for row in found)


def _wrap(database: Database, ring: KeyRing, series_id: int, version: int, slot: bytes) -> int:
    try:
        fresh = wrapped_anew(slot, subject_of(series_id, version), ring)
    except (Damaged, KeyMissing):
        return 0
    if fresh == slot:
        return 0
    with database.writing_quietly() as session:
        same = (Row.series_id == series_id, Row.slot == slot)
        session.execute(update(Row).where(*same).values(slot=fresh))
    return 1
