"""Storage commitment, the worker's part: what a peer asked for is judged, and the peer is told until it has heard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from config.database import Database
from config.settings import Settings
from gateway.due import Due
from gateway.judging import Judging, NotYet
from orthanc.archive import Archive
from orthanc.errors import ArchiveUnavailable
from scp.commitment import CommitmentRequest, FailureReason, Judgement, Reference
from scp.inbox import Inbox
from scp.sender import Endpoint, PeerRefused, PeerUnavailable, Sender
from worklist.commitments import COMMITTED, is_in_use, keep_items, look_again
from worklist.models import Commitment, Peer, now
from worklist.states import CommitmentState

log = structlog.get_logger()
LOOK_AGAIN = timedelta(seconds=1)
NO_ADDRESS = "The application entity {} has no address here. Give it one, so that the report can be sent to it."


@dataclass(frozen=True, slots=True)
class Committing:
    """Carries the transactions of one inbox on; any number of workers may share the work."""

    inbox: Inbox
    archive: Archive
    database: Database
    sender: Sender
    settings: Settings

    def step(self) -> bool:
        """Do one piece of each kind of work; True if there may be more at once."""
        return any([self._take(), self._hear(), self._judge(), self._report()])

    def soonest(self) -> float:
        """Seconds until the clock alone makes something due."""
        return min(self._due(state).soonest() for state in (CommitmentState.ASKED, CommitmentState.JUDGED))

    def _take(self) -> bool:
        """Make rows of what peers asked the receivers for."""
        taken = False
        for key, request in self.inbox.transactions.asked():
            with self.database.writing() as session:
                _record(session, key, request)
            self.inbox.transactions.taken(key)
            taken = True
        if taken:
            self.inbox.transactions.forget_old(timedelta(days=self.settings.commitment.days + 1))
        return taken

    def _hear(self) -> bool:
        """Believe the receivers what peers took on the association on which they had asked."""
        keys = self.inbox.transactions.reported()
        for key in keys:
            with self.database.writing() as session:
                _mark_reported(session, Commitment.key == key, "On the association on which it had asked")
            self.inbox.transactions.forget_report(key)
        return bool(keys)

    def _judge(self) -> bool:
        due = self._due(CommitmentState.ASKED)
        commitment_id = due.claim()
        if commitment_id is None:
            return False
        patience = timedelta(seconds=self.settings.commitment.patience_seconds)
        judging = Judging(self.inbox, self.archive, self.database, patience)
        try:
            more = judging.step(commitment_id)
        except NotYet as error:
            self._move(commitment_id, next_attempt_at=now() + LOOK_AGAIN, last_error=str(error))
            return False
        except ArchiveUnavailable as error:
            due.put_off(commitment_id, str(error))
            raise
        if more:
            self._move(commitment_id, next_attempt_at=now())
        else:
            self._settle(commitment_id)
        return True

    def _settle(self, commitment_id: int) -> None:
        """All is judged: let the receivers know, and the report go out a moment later if they cannot."""
        key, _, judgement = self._judgement(commitment_id)
        self.inbox.transactions.judged(key, judgement)
        due_at = now() + timedelta(seconds=self.settings.commitment.same_association_seconds)
        with self.database.writing() as session:
            look_again(session, commitment_id)
        self._move(commitment_id, state=CommitmentState.JUDGED, judged_at=now(), next_attempt_at=due_at, last_error="")

    def _move(self, commitment_id: int, **values: object) -> None:
        """Let a claimed transaction that is not judged go on as it says."""
        unjudged = (Commitment.id == commitment_id, Commitment.state == CommitmentState.ASKED)
        with self.database.writing() as session:
            session.execute(update(Commitment).where(*unjudged).values(attempts=0, lease_until=None, **values))

    def _report(self) -> bool:
        due = self._due(CommitmentState.JUDGED)
        commitment_id = due.claim()
        if commitment_id is None:
            return False
        _, endpoint, judgement = self._judgement(commitment_id)
        try:
            self.sender.report_commitment(self._reachable(endpoint, commitment_id), judgement)
        except (PeerUnavailable, PeerRefused) as error:
            log.warning("storage commitment report put off", commitment=commitment_id, error=str(error))
            due.put_off(commitment_id, str(error), self._given_up(commitment_id))
            return True
        with self.database.writing() as session:
            _mark_reported(session, Commitment.id == commitment_id, f"To {endpoint}")
        return True

    def _judgement(self, commitment_id: int) -> tuple[str, Endpoint | None, Judgement]:
        with self.database.reading() as session:
            row = session.get_one(Commitment, commitment_id)
            items = [(Reference(item.sop_class_uid, item.sop_uid), item.reason) for item in row.items]
            endpoint = _address(session, row)
        committed = tuple(reference for reference, reason in items if reason == COMMITTED)
        failed = tuple((reference, FailureReason(reason)) for reference, reason in items if reason)
        return row.key, endpoint, Judgement(row.transaction_uid, committed, failed)

    def _reachable(self, endpoint: Endpoint | None, commitment_id: int) -> Endpoint:
        if endpoint is None:
            with self.database.reading() as session:
                sender = session.get_one(Commitment, commitment_id).sender
            raise PeerUnavailable(NO_ADDRESS.format(sender))
        return endpoint

    def _given_up(self, commitment_id: int) -> CommitmentState | None:
        with self.database.reading() as session:
            judged_at = session.get_one(Commitment, commitment_id).judged_at or now()
        over = now() > judged_at + timedelta(days=self.settings.commitment.days)
        return CommitmentState.GIVEN_UP if over else None

    def _due(self, state: CommitmentState) -> Due:
        pauses = self.settings.delivery
        return Due(self.database, Commitment, state, pauses.first_pause, pauses.longest_pause)


def _record(session: Session, key: str, request: CommitmentRequest) -> None:
    """Write one transaction; what was asked for again is judged again, what was only taken again is not."""
    row = session.scalars(select(Commitment).where(Commitment.key == key)).one_or_none()
    if row is not None and row.received_at == request.received_at:
        return
    row = row or Commitment(key=key)
    row.origin, row.sender, row.transaction_uid = request.origin, request.sender, request.transaction_uid
    row.state, row.received_at, row.next_attempt_at = CommitmentState.ASKED, request.received_at, now()
    row.judged_at = row.reported_at = row.lease_until = None
    row.attempts, row.last_error, row.reported_how = 0, "", ""
    session.add(row)
    reason = FailureReason.DUPLICATE_TRANSACTION if is_in_use(session, key) else None
    keep_items(session, row, {each.sop_uid: each.sop_class_uid for each in request.references}, reason)


def _address(session: Session, row: Commitment) -> Endpoint | None:
    """Where the application entity that asked can be called; never another one's, which knows no such transaction."""
    peers = session.scalars(select(Peer).where(Peer.ae_title == row.sender, Peer.receives_reports).order_by(Peer.id))
    ours = (peer for peer in peers if row.origin == f"site:{peer.site_id}")
    return next((Endpoint(peer.ae_title, peer.host, peer.port, tls=peer.tls) for peer in ours), None)


def _mark_reported(session: Session, which: ColumnElement[bool], how: str) -> None:
    open_states = Commitment.state.in_((CommitmentState.JUDGED, CommitmentState.GIVEN_UP))
    values = {"state": CommitmentState.REPORTED, "reported_at": now(), "reported_how": how, "last_error": ""}
    session.execute(update(Commitment).where(which, open_states).values(**values, lease_until=None))
