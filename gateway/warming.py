"""What the first request after a start would wait for is done before the web application answers at all."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import configure_mappers

from dicomweb.attributes import Level
from dicomweb.holdings import forget_questions, held_series
from dicomweb.parameters import remembered_search
from dicomweb.planning import Way
from dicomweb.problems import Problem
from dicomweb.searching import Scope, forget_statements, search_rows
from dicomweb.services import Services
from gateway.accounts.sessions import Sessions
from gateway.rehearsal import rehearse, strangers
from worklist.access import Sight, sees_study

log = structlog.get_logger()

NO_UID: Final = "0"
FIRST: Final = ((Level.STUDY, (("StudyInstanceUID", NO_UID),), Scope()), (Level.SERIES, (), Scope(NO_UID)))
"""What OHIF searches for when it opens a study."""


def warm_up(images: Services, sessions: Sessions) -> None:
    """Have SQLAlchemy's mappers, and all that opening a study takes: statements, modules, what is due first.

    Where the database does not answer, the first request waits for them as it does for the database.
    """
    configure_mappers()
    try:
        sessions.rehearse()
        _ask(images)
        rehearse(images)
    except SQLAlchemyError as error:
        log.warning("not warmed up", error=type(error).__name__)
    _forget()


def _forget() -> None:
    """What the database remembers of statements stays; the clauses of strangers, 5 MB, serve nobody."""
    forget_statements()
    forget_questions()
    sees_study.cache_clear()


def _ask(images: Services) -> None:
    """Ask the statements of a reader; they find nothing. So they are made even where nothing is to be read yet."""
    readers = strangers(None, frozenset({"of nothing"}))
    with images.database.engine.connect() as connection:
        for case_id in (None, 0):
            for level, query, scope in FIRST:
                search = remembered_search(query, level)
                search_rows(connection, Sight(next(readers), case_id), search, scope, Way.NAMED)
            for series_uid in (None, NO_UID):
                with suppress(Problem):
                    held_series(connection, Sight(next(readers), case_id), NO_UID, series_uid)
