"""Whether anything was committed since: what was read from the database holds as long as its revision is the same.

seen = revision()
rights = look_up()
...
if revision() == seen:  # no transaction of anybody's has been committed in between
    use(rights)
"""

from __future__ import annotations

import sqlite3
import threading
from typing import Protocol
from urllib.parse import quote

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError


class Revision(Protocol):
    """`local`: asking takes microseconds and waits for nothing, so that an event loop may."""

    local: bool

    def __call__(self) -> object:
        """Return what differs from every earlier answer if a transaction was committed since; safe for threads.

        What cannot be known now is equal to nothing.
        """

    def close(self) -> None:
        """Let the connection go."""


class SqliteRevision:
    """SQLite's own counter of the commits of others, on a connection that never writes.

    https://www.sqlite.org/pragma.html#pragma_data_version
    """

    local = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._generation = 0

    def __call__(self) -> object:
        """Two connections count differently: their numbers are told apart by a generation."""
        with self._lock:
            try:
                connection = self._connection or self._open()
                return self._generation, connection.execute("PRAGMA data_version").fetchone()[0]
            except sqlite3.Error:
                self._close()
                return object()

    def close(self) -> None:
        """Let the connection go."""
        with self._lock:
            self._close()

    def _open(self) -> sqlite3.Connection:
        self._generation += 1
        address = f"file:{quote(self._path)}?mode=rw"  # a file that is not there is not made
        self._connection = sqlite3.connect(address, timeout=0.0, uri=True, check_same_thread=False)
        self._connection.isolation_level = None
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class PostgresRevision:
    """The snapshot that a transaction would see now: two that are equal see the same rows.

    https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
    """

    local = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def __call__(self) -> object:
        """One question to the server."""
        try:
            with self._engine.connect() as connection:
                return connection.scalar(text("SELECT pg_current_snapshot()::text"))
        except SQLAlchemyError:
            return object()

    def close(self) -> None:
        """Its connections are the engine's."""


def revision_of(engine: Engine) -> Revision:
    """The revision of the database behind an engine."""
    if engine.dialect.name == "sqlite":
        return SqliteRevision(engine.url.database or "")
    return PostgresRevision(engine)
