"""What the first request after a start would wait for is done before the web application answers at all."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import configure_mappers

from config.database import Database
from dicomweb.attributes import Level
from dicomweb.holdings import held_series
from dicomweb.parameters import remembered_search
from dicomweb.planning import Way
from dicomweb.problems import Problem
from dicomweb.searching import Scope, search_rows
from worklist.access import Sight, Viewer
from worklist.states import Role

log = structlog.get_logger()

NO_UID: Final = "0"
READER: Final = Viewer(0, frozenset({Role.READER}), frozenset({"of nothing"}), None)
"""Nobody's rights, in the shape of those who wait: the statements are the same, but for their values."""

FIRST: Final = ((Level.STUDY, (("StudyInstanceUID", NO_UID),), Scope()), (Level.SERIES, (), Scope(NO_UID)))
"""What OHIF searches for when it opens a study."""


def warm_up(database: Database) -> None:
    """Have SQLAlchemy's mappers, and the statements with which a reader opens a study; they find nothing.

    Where the database does not answer, the first request waits for them as it does for the database.
    """
    configure_mappers()
    try:
        _ask(database)
    except SQLAlchemyError as error:
        log.warning("not warmed up", error=type(error).__name__)


def _ask(database: Database) -> None:
    with database.engine.connect() as connection:
        for case_id in (None, 0):
            sight = Sight(READER, case_id)
            for level, query, scope in FIRST:
                search_rows(connection, sight, remembered_search(query, level), scope, Way.NAMED)
            for series_uid in (None, NO_UID):
                with suppress(Problem):
                    held_series(connection, sight, NO_UID, series_uid)
