"""The inbox into the archive: identity, storing, rows, and only then the inbox lets go.

Every step can be repeated: a crash anywhere means that the entry is still in the inbox and goes the same way again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from config.database import Database
from gateway.headers import series_text, study_text
from gateway.identity import SELF_TEST, Contradiction, Identities, Verdict
from orthanc.archive import Archive
from orthanc.cache import ReadCache
from orthanc.errors import ArchiveRefused, ArchiveUnavailable, Unreadable
from orthanc.header import InstanceHeader, read_header
from scp.arrival import Arrival
from scp.inbox import Damaged, Entry, Inbox, Stored
from worklist.images import InstanceFacts, Recording, record_all
from worklist.models import Pulse, Trouble, now

log = structlog.get_logger()
BATCH = 48
BATCH_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """One inbox entry, read and understood."""

    entry: Entry
    stored: Stored
    header: InstanceHeader

    @property
    def arrival(self) -> Arrival:
        """What the receiver knew of it."""
        return self.stored.arrival


@dataclass(frozen=True, slots=True)
class Archived:
    """One instance that the archive provably has, under its own identifier there."""

    taken: Taken
    archive_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """One entry that must not be archived as it is; a person decides."""

    entry: Entry
    reason: str


@dataclass(slots=True)
class Ingest:
    """Carries one inbox into the archive, several instances at a time."""

    inbox: Inbox
    archive: Archive
    cache: ReadCache
    database: Database
    quarantine: Path
    connections: int
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.connections, thread_name_prefix="ingest")

    def step(self) -> bool:
        """Carry one batch; True if there may be more at once. Raises ArchiveUnavailable: try again later."""
        entries = _bounded(self.inbox.waiting(BATCH))
        if not entries:
            return False
        understood, rejected = _part(self._pool.map(self._take, entries))
        known, contradictions = self._identify(understood)
        archived, refused, unavailable = self._store(known)
        self._write(archived, [*rejected, *contradictions, *refused])
        list(self._pool.map(self.inbox.done, (each.taken.entry for each in archived)))
        if unavailable is not None:
            raise unavailable
        return True

    def _take(self, entry: Entry) -> Taken | Rejected:
        try:
            stored = self.inbox.read(entry)
            return Taken(entry, stored, read_header(stored.part10))
        except Damaged as error:
            return Rejected(entry, f"The file in the inbox is damaged: {error}")
        except Unreadable as error:
            return Rejected(entry, f"The object cannot be read: {error}")

    def _identify(self, taken: Sequence[Taken]) -> tuple[list[tuple[Taken, Verdict]], list[Rejected]]:
        """Compare each with its study and with what we have under its SOP Instance UID."""
        known, contradictions = [], []
        with self.database.reading() as session:
            identities = Identities(session)
            identities.look_up([each.arrival for each in taken])
            for each in taken:
                try:
                    known.append((each, identities.check(each.arrival, each.header, each.stored.sha256)))
                except Contradiction as error:
                    contradictions.append(Rejected(each.entry, str(error)))
        return known, contradictions

    def _store(
        self, known: Sequence[tuple[Taken, Verdict]]
    ) -> tuple[list[Archived], list[Rejected], ArchiveUnavailable | None]:
        archived, refused, unavailable = [], [], None
        for outcome in self._pool.map(self._store_one, known):
            if isinstance(outcome, Archived):
                archived.append(outcome)
            elif isinstance(outcome, Rejected):
                refused.append(outcome)
            else:
                unavailable = outcome
        return archived, refused, unavailable

    def _store_one(self, known: tuple[Taken, Verdict]) -> Archived | Rejected | ArchiveUnavailable:
        taken, verdict = known
        try:
            archive_id = verdict.archive_id or self.archive.store(taken.stored.part10, taken.stored.md5)
            if taken.arrival.origin == SELF_TEST:
                self.archive.delete(archive_id)
            elif verdict.archive_id is None:
                self.cache.put(taken.stored.sha256, taken.stored.part10)
        except ArchiveRefused as error:
            return Rejected(taken.entry, f"The archive refused the object: {error}")
        except ArchiveUnavailable as error:
            return error
        return Archived(taken, archive_id)

    def _write(self, archived: Sequence[Archived], rejected: Sequence[Rejected]) -> None:
        """Rows for what the archive has, and for what is kept aside: one transaction."""
        with self.database.writing() as session:
            _record(session, archived)
            for aside in rejected:
                _note_quarantine(session, aside)
        for aside in rejected:
            self.inbox.set_aside(aside.entry, self.quarantine)


def _bounded(entries: list[Entry]) -> list[Entry]:
    """The first entries that fit into memory together; always at least one."""
    total = 0
    taken: list[Entry] = []
    for entry in entries:
        total += entry.size
        if taken and total > BATCH_BYTES:
            break
        taken.append(entry)
    return taken


def _part(outcomes: Iterator[Taken | Rejected]) -> tuple[list[Taken], list[Rejected]]:
    taken, rejected = [], []
    for outcome in outcomes:
        if isinstance(outcome, Taken):
            taken.append(outcome)
        else:
            rejected.append(outcome)
    return taken, rejected


def _record(session: Session, archived: Sequence[Archived]) -> None:
    for one in archived:
        arrival = one.taken.arrival
        if arrival.origin == SELF_TEST:
            detail = "received, archived, digest read back"
            session.merge(Pulse(part=f"self-test {arrival.sop_uid}"[:64], at=now(), detail=detail))
    record_all(session, [_recording(one) for one in archived if one.taken.arrival.origin != SELF_TEST])


def _recording(one: Archived) -> Recording:
    header = one.taken.header
    return Recording(one.taken.arrival.origin, study_text(header), series_text(header), _facts(one))


def _facts(one: Archived) -> InstanceFacts:
    arrival, header, stored = one.taken.arrival, one.taken.header, one.taken.stored
    return InstanceFacts(
        sop_uid=arrival.sop_uid,
        sop_class_uid=arrival.sop_class_uid,
        transfer_syntax=arrival.transfer_syntax,
        number=header.instance_number,
        rows=header.rows,
        columns=header.columns,
        frames=header.frames,
        size=one.taken.entry.size,
        sha256=stored.sha256,
        archive_id=one.archive_id,
        sender=arrival.sender,
        received_at=arrival.received_at,
    )


def _note_quarantine(session: Session, aside: Rejected) -> None:
    arrival = aside.entry.arrival
    log.warning("quarantined", sender=arrival.sender, sop_uid=arrival.sop_uid, reason=aside.reason)
    if session.scalars(select(Trouble.id).where(Trouble.key == aside.entry.key)).first() is None:
        session.add(
            Trouble(
                kind="quarantined",
                origin=arrival.origin,
                sender=arrival.sender,
                reason=aside.reason,
                sop_uid=arrival.sop_uid,
                study_uid=arrival.study_uid,
                key=aside.entry.key,
                file=aside.entry.key,
                received_at=arrival.received_at,
            )  # fmt: skip
        )


def note_refusals(inbox: Inbox, database: Database) -> bool:
    """Carry the receivers' notes of what they refused into the database, where the coordinator sees them."""
    notes = inbox.refusals(200)
    if not notes:
        return False
    with database.writing() as session:
        for key, refusal in notes:
            if session.scalars(select(Trouble.id).where(Trouble.key == key)).first() is None:
                session.add(
                    Trouble(
                        kind="refused",
                        origin=refusal.origin,
                        sender=refusal.sender,
                        reason=refusal.reason,
                        status=refusal.status,
                        sop_uid=refusal.sop_uid,
                        study_uid=refusal.study_uid,
                        key=key,
                        received_at=refusal.received_at,
                    )  # fmt: skip
                )
    for key, _ in notes:
        inbox.forget_refusal(key)
    return True
