"""The tables in the database are those of worklist.models: brought there by Alembic at every start."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import func, select

from config.database import Database
from worklist.models import Base

MIGRATIONS = Path(__file__).parent / "migrations"
ONE_AT_A_TIME = 0x0EAD  # the advisory lock of whoever migrates


def upgrade(database: Database) -> None:
    """Bring the tables up to date. Repeatable; of several processes that try at once, on any machine, one does it."""
    with database.engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def differences(database: Database) -> list[object]:
    """How the tables in the database differ from the models: nothing, after `upgrade`."""
    with database.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def new_revision(database: Database, message: str) -> None:
    """Write a migration file for what changed in worklist.models (developers)."""
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.revision(config, message=message, autogenerate=True)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(slug)s")
    return config
