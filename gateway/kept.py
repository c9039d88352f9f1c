"""Is it kept aside already? A PACS that sends again and again what contradicts fills neither disk nor list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import select

from config.database import Database
from config.keys import KeyMissing, KeysUnusable
from gateway.taken import Facts
from scp.inbox import Damaged, Inbox
from worklist.models import Trouble
from worklist.states import TroubleKind

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Kept:
    """What lies in a quarantine folder and waits for a coordinator."""

    database: Database
    inbox: Inbox
    folder: Path

    def has(self, facts: Facts) -> bool:
        """Whether the same dataset of the same sender waits there, and its file is whole."""
        arrival = facts.entry.arrival
        alike = select(Trouble.file).where(
            Trouble.kind == TroubleKind.QUARANTINED,
            Trouble.resolved_at.is_(None),
            Trouble.decision == "",
            Trouble.origin == arrival.origin,
            Trouble.sender == arrival.sender,
            Trouble.study_uid == arrival.study_uid,
            Trouble.sop_uid == arrival.sop_uid,
            Trouble.sha256 == facts.sha256,
        )
        with self.database.reading() as session:
            files = session.scalars(alike).all()
        found = any(self._is_whole(file, facts.sha256) for file in files)
        if found:
            log.warning("came again, is kept aside already", sender=arrival.sender, sop_uid=arrival.sop_uid)
        return found

    def _is_whole(self, file: str, sha256: str) -> bool:
        try:
            return self.inbox.read_aside(self.folder / file).sha256 == sha256
        except (Damaged, KeyMissing, KeysUnusable, OSError):
            return False
