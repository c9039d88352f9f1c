"""The revision of a database: equal as long as nobody has committed anything, and never equal once somebody did."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import text

from config.database import connect
from config.revision import SqliteRevision


@pytest.fixture
def other(database_url):
    """Another process's way into the same database."""
    opened = connect(database_url)
    yield opened
    opened.close()


@pytest.fixture
def seats(database):
    """Room for rows of these tests alone."""
    with database.writing() as session:
        session.execute(text("CREATE TABLE seat (number INTEGER)"))


def take(session, number: int) -> None:
    session.execute(text("INSERT INTO seat VALUES (:number)"), {"number": number})


@pytest.mark.usefixtures("seats")
def test_it_is_the_same_until_somebody_commits(database, other) -> None:
    for number, writer in enumerate((database, other, database, other)):
        seen = database.revision()
        with database.reading() as session:
            session.execute(text("SELECT count(*) FROM seat")).scalar()
        assert database.revision() == seen
        with writer.writing() as session:
            take(session, number)
        assert database.revision() != seen


@pytest.mark.usefixtures("seats")
def test_what_is_not_committed_yet_is_not_seen_and_then_it_is(database, other) -> None:
    with other.writing() as session:
        take(session, 1)
        session.flush()
        during = database.revision()
    assert database.revision() != during


def test_it_never_returns_to_an_earlier_value_after_its_connection_was_lost(tmp_path) -> None:
    file = tmp_path / "rows.db"
    sqlite3.connect(file).execute("CREATE TABLE seat (number INTEGER)").connection.close()
    revision = SqliteRevision(str(file))
    seen = revision()
    revision.close()
    assert revision() != seen
    revision.close()


def test_a_database_that_does_not_answer_has_no_revision_and_is_not_made(tmp_path) -> None:
    revision = SqliteRevision(str(tmp_path / "absent.db"))
    assert revision() != revision()
    assert not (tmp_path / "absent.db").exists()
