"""A study that is complete becomes a case on a worklist."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import select

from config.database import Database
from config.settings import Studies
from gateway.parts import Parts
from scp.presence import being_sent
from worklist.models import Study, now
from worklist.priors import look_if_possible
from worklist.settling import Waiting, settle, something_to_settle

log = structlog.get_logger()


def settle_complete_studies(parts: Parts) -> bool:
    """Open a case for every study that became complete; False: look again later.

    Quiet is counted up to the oldest instance that still waits in the inbox, so that a backlog never makes a study
    look complete.
    """
    studies, oldest = parts.settings.studies, parts.inbox.backlog().oldest_at
    waiting = Waiting(
        quiet=timedelta(seconds=studies.quiet_seconds),
        patience=timedelta(seconds=studies.patience_seconds),
        until=min(now(), oldest) if oldest else now(),
        being_sent=being_sent(parts.folders.counters),
    )
    with parts.database.reading() as session:
        if not something_to_settle(session, waiting):
            return False
    with parts.database.writing() as session:
        opened = settle(session, waiting, parts.routing.route)
        for case_id in opened:
            look_if_possible(session, case_id)
    for case_id in opened:
        log.info("case ready", case=case_id)
    return False


def soon_complete(database: Database, studies: Studies) -> bool:
    """Whether a study may become complete by the clock alone, or because its sender closes an association."""
    recent = now() - timedelta(seconds=max(studies.quiet_seconds, studies.patience_seconds) + 1)
    with database.reading() as session:
        unsettled = select(Study.id).where(Study.settled.is_(False), Study.last_at > recent).limit(1)
        return session.scalar(unsettled) is not None
