"""A study that was quiet for long enough becomes a case on a worklist."""

from __future__ import annotations

from datetime import timedelta

import structlog

from gateway.parts import Parts
from worklist.cases import settle, something_to_settle
from worklist.models import now

log = structlog.get_logger()


def settle_quiet_studies(parts: Parts) -> bool:
    """Open a case for every study that became quiet; False: look again later.

    Quiet is counted up to the oldest instance that still waits in the inbox, so that a backlog never makes a study
    look complete.
    """
    quiet = timedelta(seconds=parts.settings.studies.quiet_seconds)
    oldest = parts.inbox.backlog().oldest_at
    until = min(now(), oldest) if oldest else now()
    with parts.database.reading() as session:
        if not something_to_settle(session, quiet, until):
            return False
    with parts.database.writing() as session:
        opened = settle(session, quiet, until, parts.routing.route)
    for case_id in opened:
        log.info("case ready", case=case_id)
    return False
