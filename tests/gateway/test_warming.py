"""The first request after a start finds its statements made."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine.interfaces import CacheStats

from config.database import Database, connect
from dicomweb.attributes import Level
from dicomweb.parameters import remembered_search
from dicomweb.searching import Scope, search_rows
from gateway.warming import warm_up
from worklist.access import Sight


def test_the_first_search_of_a_reader_compiles_nothing(database: Database, people) -> None:
    """It took 90 ms of CPU after each start, before which a study did not open."""
    sight = Sight(people.reader("neuroradiology", "thoracic"), 7)
    warm_up(database)
    found = []
    event.listen(database.engine, "after_cursor_execute", lambda *told: found.append(told[4].cache_hit))
    with database.engine.connect() as connection:
        search = remembered_search((("StudyInstanceUID", "1.2.3"),), Level.STUDY)
        search_rows(connection, sight, search, Scope())
    assert found[-1] is CacheStats.CACHE_HIT


def test_a_start_needs_no_database(tmp_path: Path) -> None:
    nowhere = connect(f"sqlite:///{tmp_path / 'rows.db'}")
    warm_up(nowhere)
    nowhere.close()
