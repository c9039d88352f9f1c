"""The inbox into the archive: identity, storing, rows, and only then the entry is held, no longer waiting.

Every step can be repeated: a crash anywhere means that the entry is still in the inbox and goes the same way again.
No object stops the others: what cannot be read is skipped, what does not fit is kept aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog

from config.database import Database
from config.keys import KeyMissing, KeysUnusable
from gateway.grace import Grace, Proof
from gateway.identity import Contradiction, Identities, Verdict
from gateway.proof import holds
from gateway.recording import write_rows
from gateway.taken import Archived, Rejected, Skipped, Taken
from orthanc.archive import Archive
from orthanc.cache import ReadCache
from orthanc.elements import read_part10
from orthanc.errors import ArchiveRefused, ArchiveUnavailable, Unreadable
from orthanc.header import header_of
from scp.inbox import Damaged, Entry, Inbox
from worklist.troubles import accepted_keys

log = structlog.get_logger()
BATCH = 48
BATCH_BYTES = 64 << 20
T = TypeVar("T")


@dataclass(slots=True)
class Ingest:
    """Carries one inbox into the archive, several instances at a time."""

    inbox: Inbox
    archive: Archive
    cache: ReadCache
    database: Database
    quarantine: Path
    grace: Grace
    pool: ThreadPoolExecutor
    _uncached: bool = field(init=False, default=False)

    def step(self) -> bool:
        """Carry one batch; True if there may be more at once. Raises ArchiveUnavailable: try again later."""
        entries = _bounded(self.inbox.waiting(BATCH))
        if not entries:
            return False
        outcomes = list(self.pool.map(self._take, entries))
        known, contradictions = self._identify(_only(Taken, outcomes))
        stored = list(self.pool.map(self._store, known))
        recorded, rejected = write_rows(
            self.database,
            _only(Archived, stored),
            [*_only(Rejected, outcomes), *contradictions, *_only(Rejected, stored)],
        )
        for aside in rejected:
            self.inbox.set_aside(aside.entry, self.quarantine)
        list(self.pool.map(self._hold, recorded))
        for unavailable in _only(ArchiveUnavailable, stored):
            raise unavailable
        return True

    def _take(self, entry: Entry) -> Taken | Rejected | Skipped:
        try:
            stored = self.inbox.read(entry)
            part10 = read_part10(stored.part10)
            return Taken(entry, stored, part10, header_of(part10))
        except Damaged as error:
            return Rejected(entry, f"The file in the inbox is damaged: {error}")
        except Unreadable as error:
            return Rejected(entry, f"The object cannot be read: {error}")
        except (OSError, KeyMissing, KeysUnusable):
            return Skipped(entry)  # the inbox has noted it

    def _identify(self, taken: Sequence[Taken]) -> tuple[list[tuple[Taken, Verdict]], list[Rejected]]:
        """Compare each with its study and with what we have under its SOP Instance UID."""
        known, contradictions = [], []
        with self.database.reading() as session:
            identities = Identities(session)
            identities.look_up([each.arrival for each in taken])
            accepted = accepted_keys(session, [each.entry.key for each in taken])
            for each in taken:
                judge = identities.accepted if each.entry.key in accepted else identities.check
                try:
                    known.append((each, judge(each.arrival, each.header, each.stored.sha256)))
                except Contradiction as error:
                    contradictions.append(Rejected(each.entry, str(error)))
        return known, contradictions

    def _store(self, known: tuple[Taken, Verdict]) -> Archived | Rejected | ArchiveUnavailable:
        taken, verdict = known
        try:
            archive_id = self._place_of(taken, verdict)
            if taken.self_test:
                self.archive.delete(archive_id)
            else:
                self._keep_ready(taken)
        except ArchiveRefused as error:
            return Rejected(taken.entry, f"The archive refused the object: {error}")
        except ArchiveUnavailable as error:
            return error
        return Archived(taken, archive_id, verdict.replaces)

    def _place_of(self, taken: Taken, verdict: Verdict) -> str:
        """Where the archive has it. A row is not believed: what the archive lost is stored again."""
        stored, said = taken.stored, verdict.archive_id
        if said is not None and holds(self.archive, said, stored.md5, stored.sha256):
            return said
        return self.archive.store(bytes(taken.part10.data), stored.md5)

    def _keep_ready(self, taken: Taken) -> None:
        """Put it into the read cache. A cache that takes nothing costs speed, never an image."""
        try:
            self.cache.admit(taken.stored.sha256, taken.part10)
            self._uncached = False
        except (OSError, Unreadable) as error:
            if not self._uncached:
                log.warning("the read cache takes nothing", error=f"{type(error).__name__}: {error}")
            self._uncached = True

    def _hold(self, one: Archived) -> None:
        if one.taken.self_test:
            self.inbox.done(one.taken.entry)
        else:
            self.grace.hold(one.taken.entry, Proof(one.archive_id, one.taken.stored.md5, one.taken.stored.sha256))


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


def _only(kind: type[T], outcomes: Iterable[object]) -> list[T]:
    return [each for each in outcomes if isinstance(each, kind)]
