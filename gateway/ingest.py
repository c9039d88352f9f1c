"""The inbox into the archive: identity, storing, rows, and only then the entry is held, no longer waiting.

Every step can be repeated: a crash anywhere means that the entry is still in the inbox and goes the same way again.
No object stops the others: what cannot be read is skipped, what does not fit is kept aside. docs/explanation/ingest.md
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

from config.database import Database
from config.keys import KeyMissing, KeysUnusable
from gateway.grace import Grace
from gateway.identity import Contradiction, Identities, Verdict
from gateway.kept import Kept
from gateway.pipeline import Ahead
from gateway.proof import holds
from gateway.recording import write_rows
from gateway.taken import Archived, Facts, Rejected, Repeated, Skipped, Taken
from orthanc.archive import Archive
from orthanc.elements import read_part10
from orthanc.errors import ArchiveRefused, ArchiveUnavailable, Unreadable
from orthanc.header import header_of
from orthanc.wire import Body
from scp.entry import WHOLE
from scp.inbox import Damaged, Entry, Inbox
from worklist.troubles import accepted_keys

BATCH = 128  # entries that are looked up together
ROWS = 64  # instances whose rows are written together
RUN_SECONDS = 2.0  # then the caller gets its turn, and with it the pulse
AHEAD = 48  # objects that are read, and as many that are stored, while one waits or rows are written
AHEAD_BYTES = 32 << 20
READERS = 2
Untaken = Rejected | Repeated | Skipped
Outcome = Archived | Untaken
T = TypeVar("T")


@dataclass(slots=True)
class Ingest:
    """Carries one inbox into the archive: while some are read, others are stored. `pool`: a thread per connection."""

    inbox: Inbox
    archive: Archive
    database: Database
    quarantine: Path
    grace: Grace
    pool: ThreadPoolExecutor
    _away: ArchiveUnavailable | None = field(init=False, default=None)
    _readers: ThreadPoolExecutor = field(init=False, default_factory=lambda: ThreadPoolExecutor(READERS, "read"))

    def step(self) -> bool:
        """Carry what waits, for a while; True if there may be more at once. Raises ArchiveUnavailable: try later."""
        identities, carried = Identities(), False
        self._away = None
        reading = Ahead(self._readers, self._take, _entry_size, AHEAD, AHEAD_BYTES)
        storing = Ahead(self.pool, self._store, _size, AHEAD, AHEAD_BYTES)
        taken = reading.of(self._waiting(identities))
        with closing(taken), closing(storing.of(self._judged(identities, taken))) as outcomes:
            while some := list(islice(outcomes, ROWS)):
                self._write_down(some)
                carried = True
        if self._away is not None:
            raise self._away
        return carried

    def _waiting(self, identities: Identities) -> Iterator[Entry]:
        """The oldest entries, looked up in the database before they are handed out."""
        seen: set[str] = set()
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end and self._away is None:
            oldest = self.inbox.waiting(2 * BATCH)  # some of them are under way
            fresh = [entry for entry in oldest if entry.key not in seen][:BATCH]
            if not fresh:
                return
            with self.database.reading() as session:
                identities.look_up(session, [entry.arrival for entry in fresh])
                identities.accept(accepted_keys(session, [entry.key for entry in fresh]))
            seen.update(entry.key for entry in fresh)
            yield from fresh

    def _take(self, entry: Entry) -> Taken | Rejected | Skipped:
        try:
            stored = self.inbox.read(entry)
            large = stored.size > WHOLE
            part10 = read_part10(stored.start(WHOLE) if large else stored.part10, start=large)
            return Taken(Facts(entry, header_of(part10), stored.sha256), stored)
        except Damaged as error:
            return Rejected(entry, f"The file in the inbox is damaged: {error}")
        except Unreadable as error:
            return Rejected(entry, f"The object cannot be read: {error}")
        except (OSError, KeyMissing, KeysUnusable):
            return Skipped(entry)  # the inbox has noted it

    def _judged(
        self, identities: Identities, taken: Iterable[Taken | Rejected | Skipped]
    ) -> Iterator[tuple[Taken, Verdict] | Untaken]:
        """Compare each with its study and with what we have under its SOP Instance UID, in the order of arrival."""
        for one in taken:
            if not isinstance(one, Taken):
                yield one
                continue
            try:
                yield one, identities.judge(one.facts.entry, one.facts.header, one.facts.sha256)
            except Contradiction as error:
                yield self._contradicts(one.facts, error)

    def _contradicts(self, facts: Facts, error: Contradiction) -> Rejected | Repeated:
        if Kept(self.database, self.inbox, self.quarantine).has(facts):
            return Repeated(facts.entry)
        return Rejected(facts.entry, str(error), facts.header, error.patient, facts.sha256)

    def _store(self, judged: tuple[Taken, Verdict] | Untaken) -> Outcome:
        if isinstance(judged, Untaken):
            return judged
        taken, verdict = judged
        entry = taken.facts.entry
        if self._away is not None:  # nobody waits for an archive that hangs, behind somebody who did
            return Skipped(entry)
        try:
            return Archived(taken.facts, self._place_of(taken, verdict), verdict.replaces)
        except Damaged as error:
            return Rejected(entry, f"The file in the inbox is damaged: {error}")
        except ArchiveRefused as error:
            return Rejected(entry, f"The archive refused the object: {error}")
        except ArchiveUnavailable as error:
            self._away = error
            return Skipped(entry)

    def _place_of(self, taken: Taken, verdict: Verdict) -> str:
        """Where the archive has it. A row is not believed: what the archive lost is stored again."""
        stored, said = taken.stored, verdict.archive_id
        if taken.facts.self_test:
            place = self.archive.store(stored.part10, stored.md5)
            self.archive.delete(place)
            return place
        if said is not None and holds(self.archive, said, stored.md5, stored.sha256):
            return said
        return self.archive.entrust(Body(stored.size, stored.pieces), lambda: stored.md5)

    def _write_down(self, outcomes: Sequence[Outcome]) -> None:
        """Rows first, then the entries leave: held, kept aside, or let go where they are kept aside already."""
        recorded, rejected = write_rows(self.database, _only(Archived, outcomes), _only(Rejected, outcomes))
        for aside in rejected:
            self.inbox.set_aside(aside.entry, self.quarantine)
        for again in _only(Repeated, outcomes):
            self.inbox.done(again.entry)
        for one in recorded:
            self._hold(one)

    def _hold(self, one: Archived) -> None:
        if one.facts.self_test:
            self.inbox.done(one.facts.entry)
        else:
            self.grace.hold(one.facts.entry, one.archive_id)


def _entry_size(entry: Entry) -> int:
    return _in_memory(entry.size)


def _size(judged: tuple[Taken, Verdict] | Untaken) -> int:
    return 0 if isinstance(judged, Untaken) else _in_memory(judged[0].stored.size)


def _in_memory(size: int) -> int:
    """A large object is never in memory as a whole, but its start is."""
    return min(size, WHOLE)


def _only(kind: type[T], outcomes: Iterable[object]) -> list[T]:
    return [each for each in outcomes if isinstance(each, kind)]
