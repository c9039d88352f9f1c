"""The engine behind our rows: SQLite on one machine, PostgreSQL on several."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from config.errors import Explained
from config.revision import Revision, revision_of

_STEPS = 10_000  # of its virtual machine, between two looks at the clock
# FULL: a commit that was answered survives a power cut (NORMAL was measured to lose it).
SQLITE_PRAGMAS = ("synchronous=FULL", "foreign_keys=ON", "busy_timeout=15000")
PATIENCE = 15.0  # seconds, for whoever has a fresh file locked while its way of writing is changed


@dataclass(frozen=True, slots=True)
class Database:
    """One database with two kinds of session.

    On SQLite a writer takes the lock at its beginning, so that it never finds at its end that somebody else was first;
    PostgreSQL makes no difference between them.
    """

    engine: Engine
    readers: sessionmaker[Session]
    writers: sessionmaker[Session]
    revision: Revision
    wrote: Callable[[], object] = tuple  # called after each transaction of `writing`

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only looks."""
        with self.readers() as session:
            yield session

    @contextmanager
    def looking(self, seconds: float) -> Iterator[Connection]:
        """A connection that only looks, each statement for so long at most: then SQLAlchemyError (`took_too_long`)."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                with _ends_after(connection, seconds):
                    yield connection
            else:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back if the block raises."""
        with self.writers.begin() as session:
            yield session
        self.wrote()

    @contextmanager
    def writing_quietly(self) -> Iterator[Session]:
        """As `writing`, of what nobody waits for."""
        with self.writers.begin() as session:
            yield session

    def close(self) -> None:
        """Let all connections go."""
        self.revision.close()
        self.engine.dispose()


def connect(url: str, wrote: Callable[[], object] = tuple) -> Database:
    """Open the database at an SQLAlchemy URL. Nothing is read or written yet. Raises Explained for what is no URL.

    `wrote` is called after each transaction that wrote.
    """
    try:
        engine = _engine(url)
    except (ArgumentError, ImportError) as error:
        raise Explained(
            "The setting [database] url names no database that Overread can use; "
            "write it like postgresql://user:password@host/name."
        ) from error
    writing = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
    readers, writers = (sessionmaker(each, expire_on_commit=False) for each in (engine, writing))
    return Database(engine, readers, writers, revision_of(engine), wrote)


def took_too_long(error: SQLAlchemyError) -> bool:
    """Whether it is what a statement of `looking` ends with when its time is over."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return getattr(cause, "sqlstate", "") == "57014" or str(cause) == "interrupted"


def _engine(url: str) -> Engine:
    """Errors hide their parameters: those say who a patient is, and errors are logged."""
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": 15.0}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    _write_ahead(cursor)
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Change to a write-ahead log; SQLite itself does not wait here, because two who both read would wait for ever."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def _ends_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Interrupt what SQLite does when the time is over (https://www.sqlite.org/c3ref/progress_handler.html)."""
    until = time.monotonic() + seconds
    raw: Any = connection.connection.dbapi_connection
    raw.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))
