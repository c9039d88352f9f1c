"""The tables in the database are those of the models, on both engines."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from subprocess import PIPE

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError, StatementError

from config.database import Database, connect
from worklist import schema
from worklist.added import Changes, since_claim
from worklist.models import Base, Case, Peer, Site, Study, now
from worklist.states import CaseState


def test_migrating_from_empty_gives_exactly_the_tables_of_the_models(database: Database) -> None:
    assert schema.differences(database) == []
    assert set(Base.metadata.tables) <= set(inspect(database.engine).get_table_names())


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.writing() as session:
        session.add(Site(code="ST_MARY", name="St Mary"))
    schema.upgrade(database)
    assert schema.differences(database) == []
    with database.reading() as session:
        assert session.query(Site).one().code == "ST_MARY"


MIGRATE = """
import sys
from config.database import connect
from worklist import schema
database = connect(sys.argv[1])
print(flush=True)
sys.stdin.readline()
schema.upgrade(database)
database.close()
"""


def test_several_processes_may_migrate_one_empty_database_at_once(empty_database_url: str) -> None:
    command = [sys.executable, "-c", MIGRATE, empty_database_url]
    processes = [subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) for _ in range(3)]
    for each in processes:
        each.stdout.readline()
    for each in processes:
        each.stdin.write("go\n")
        each.stdin.flush()
    outcomes = [(each.communicate()[1], each.returncode) for each in processes]
    database = connect(empty_database_url)
    assert outcomes == [("", 0)] * 3
    assert schema.differences(database) == []
    database.close()


def test_moments_come_back_in_utc_whatever_their_zone_was(database: Database) -> None:
    noon = datetime(2026, 11, 24, 12, tzinfo=timezone(timedelta(hours=2)))
    with database.writing() as session:
        session.add(Site(code="A", name="A", created_at=noon))
    with database.reading() as session:
        back = session.query(Site).one().created_at
    assert back == noon
    assert back.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="zone"), database.writing() as session:
        session.add(Site(code="A", name="A", created_at=datetime(2026, 11, 24, 12)))  # noqa: DTZ001


def test_one_origin_has_a_study_once_and_two_origins_have_one_each(database: Database) -> None:
    with database.writing() as session:
        session.add_all([Study(origin="site:1", study_uid="1.2.3"), Study(origin="site:2", study_uid="1.2.3")])
    with pytest.raises(IntegrityError), database.writing() as session:
        session.add(Study(origin="site:1", study_uid="1.2.3"))


def test_a_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    def fail() -> None:
        with database.writing() as session:
            session.add(Site(code="A", name="A"))
            session.flush()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.reading() as session:
        assert session.query(Site).count() == 0


def test_a_case_that_was_claimed_before_an_update_knows_which_images_came_after_its_claim(database, rows) -> None:
    claimed = now()
    study_id = rows.image("site:1", at=claimed - timedelta(minutes=1))
    rows.image("site:1", at=claimed + timedelta(minutes=1))
    with database.writing() as session:
        study = session.get_one(Study, study_id)
        case = Case(state=CaseState.CLAIMED, claimed_at=claimed, studies=[study])
        session.add_all([case, Case(state=CaseState.READY, studies=[study])])
    with database.engine.begin() as connection:
        connection.execute(text('ALTER TABLE "case" DROP COLUMN claimed_version'))
        with Operations.context(MigrationContext.configure(connection)):
            import_module("worklist.migrations.versions.20261125_claimed_version").upgrade()
    with database.reading() as session:
        old, ready = session.query(Case).order_by(Case.id)
        assert (since_claim(old), old.claimed_version, ready.claimed_version) == (Changes(added=1), 1, None)


def test_nobody_may_query_by_an_update_alone(database: Database) -> None:
    """Rows could name that right before there was anything behind it."""
    with database.writing() as session:
        session.add(Site(code="A", name="A", peers=[Peer(ae_title="PACS", rights=["store", "query", "echo"])]))
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE access_line DROP COLUMN ae_title"))
        with Operations.context(MigrationContext.configure(connection)):
            import_module("worklist.migrations.versions.20261127_queries").upgrade()
    with database.reading() as session:
        assert session.query(Peer).one().rights == ["store", "echo"]
