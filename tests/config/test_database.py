"""The database is opened while others have it open."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from config.database import connect


def test_a_fresh_file_that_somebody_writes_is_waited_for(tmp_path: Path) -> None:
    """SQLite says "database is locked" at once where a log is to be written ahead; a part then did not start."""
    file = tmp_path / "fresh.db"
    with closing(sqlite3.connect(file, check_same_thread=False, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE one (id INTEGER)")
        writer.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.5, writer.execute, ("COMMIT",))
        end.start()
        database = connect(f"sqlite:///{file}")
        with database.engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        database.close()
        end.join()
