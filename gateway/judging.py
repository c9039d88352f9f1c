"""Whether an instance may be called safe: only if the archive gives back, this moment, what the same site had sent.

"Committed" makes a modality delete its own copy. Of another site's instances the answer is that there are none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import update

from config.database import Database
from orthanc.archive import Archive
from orthanc.errors import ArchiveRefused
from scp.commitment import FailureReason
from scp.inbox import Inbox
from scp.part10 import file_head
from worklist.commitments import COMMITTED, Held, held_by, kept_aside, unjudged
from worklist.models import Commitment, CommitmentItem, now

log = structlog.get_logger()
AT_ONCE = 100


class NotYet(Exception):
    """Something that came before the request is not in the archive yet: judge later."""


@dataclass(frozen=True, slots=True)
class Judging:
    """Judges the items of transactions, a few at a time. `patience`: the longest wait for what is on its way."""

    inbox: Inbox
    archive: Archive
    database: Database
    patience: timedelta

    def step(self, commitment_id: int) -> bool:
        """Judge the next items; False if there was none. Raises NotYet, ArchiveUnavailable: the same again later."""
        with self.database.reading() as session:
            row = session.get_one(Commitment, commitment_id)
            items = unjudged(session, commitment_id, AT_ONCE)
            uids = [item.sop_uid for item in items]
            held, aside = held_by(session, row.origin, uids), kept_aside(session, row.origin, uids)
        if len(held) < len(items):
            self._check_nothing_waits(row)
        verdicts = {item.sop_uid: self._verdict(item, held.get(item.sop_uid, []), aside) for item in items}
        self._write(commitment_id, verdicts, {uid: ones[0].study_id for uid, ones in held.items()})
        return bool(items)

    def _check_nothing_waits(self, row: Commitment) -> None:
        oldest = self.inbox.backlog().oldest_at
        if oldest is not None and oldest <= row.received_at and now() < row.received_at + self.patience:
            raise NotYet("Images that came before the request are still on their way into the archive.")

    def _verdict(self, item: CommitmentItem, held: list[Held], aside: set[str]) -> int:
        if item.sop_uid in aside:  # it sent two contents under this UID, or one that contradicts its study
            return FailureReason.PROCESSING_FAILURE
        if not held:
            return FailureReason.NO_SUCH_INSTANCE
        of_class = [one for one in held if one.sop_class_uid == item.sop_class_uid]
        if not of_class:
            return FailureReason.CLASS_INSTANCE_CONFLICT
        safe = all(self._is_safe(item.sop_uid, one) for one in of_class)
        return COMMITTED if safe else FailureReason.PROCESSING_FAILURE

    def _is_safe(self, sop_uid: str, held: Held) -> bool:
        """Read the archive's file and compare it with what was received."""
        head = file_head(held.sop_class_uid, sop_uid, held.transfer_syntax)
        digest, seen = hashlib.sha256(), b""
        try:
            for piece in self.archive.stream(held.archive_id):
                missing = len(head) - len(seen)
                seen += piece[:missing]
                digest.update(piece[missing:])
        except ArchiveRefused as error:
            log.error("the archive lacks what our rows say", sop_uid=sop_uid, error=str(error))  # noqa: TRY400
            return False
        safe = seen == head and digest.hexdigest() == held.sha256
        if not safe:
            log.error("the archive has other bytes than were received", sop_uid=sop_uid, archive_id=held.archive_id)
        return safe

    def _write(self, commitment_id: int, verdicts: Mapping[str, int], studies: Mapping[str, int]) -> None:
        with self.database.writing() as session:
            for uid, reason in verdicts.items():
                mine = (CommitmentItem.commitment_id == commitment_id, CommitmentItem.sop_uid == uid)
                values = {"reason": int(reason), "study_id": studies.get(uid)}
                session.execute(update(CommitmentItem).where(*mine).values(**values))
