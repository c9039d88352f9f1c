"""What the archive has is held for a while, and let go only when the archive, asked once more, still has it.

Orthanc's index can lose its last seconds in a power cut. docs/adr/0007-grace-before-letting-go.md
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from config.database import Database
from config.keys import KeyMissing, KeysUnusable
from gateway.identity import Identities, Known
from gateway.proof import holds
from orthanc.archive import Archive
from orthanc.errors import ArchiveUnavailable
from scp.inbox import Damaged, Entry, Inbox

log = structlog.get_logger()
BATCH = 256
LOOK_SECONDS = 1.0
AGAIN_SECONDS = 300.0  # until an entry is asked for again of which the archive could say nothing
ALL = timedelta(0)
MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the archive has a held entry, and the digests of its file (MD5) and dataset (SHA-256)."""

    archive_id: str
    md5: str
    sha256: str

    def holds_in(self, archive: Archive) -> bool:
        """Whether the archive, reading its disk again, has it. Raises ArchiveUnavailable."""
        return holds(archive, self.archive_id, self.md5, self.sha256)


@dataclass(frozen=True, slots=True)
class Fresh:
    """An entry to whose storing the archive said yes, under this identifier."""

    entry: Entry
    archive_id: str


@dataclass(slots=True)
class Grace:
    """The held entries of one inbox."""

    inbox: Inbox
    archive: Archive
    database: Database
    pool: ThreadPoolExecutor
    seconds: float
    _proofs: dict[str, Proof] = field(default_factory=dict)
    _fresh: deque[Fresh] = field(default_factory=deque)
    _since: dict[str, float] = field(default_factory=dict)
    _not_before: dict[str, float] = field(default_factory=dict)
    _superseded: set[str] = field(default_factory=set)
    _doubted: list[Entry] = field(default_factory=list)
    _last_change: int = -1
    _sure: bool = False
    _look_at: float = 0.0

    def hold(self, entry: Entry, archive_id: str) -> None:
        """The archive said yes and the rows are written: it waits no longer, but is not let go yet."""
        self._fresh.append(Fresh(entry, archive_id))
        self._since[entry.key] = time.monotonic()
        self.inbox.archived(entry)

    def fresh(self, most: int) -> list[Fresh]:
        """Hand out the oldest entries whose digest was not read back yet, each once."""
        return [self._fresh.popleft() for _ in range(min(most, len(self._fresh)))]

    def proven(self, entry: Entry, proof: Proof) -> None:
        """The archive has it: this is what it is asked for again."""
        self._proofs[entry.key] = proof

    def lost(self, entries: Sequence[Entry]) -> None:
        """The archive has not what it said: they wait again, and are stored like new ones.

        But not what another version has replaced since, by a coordinator's decision: that stays replaced.
        """
        for entry in entries:
            self._proofs.pop(entry.key, None)  # it may be of before the replacement
        self._proofs_of(entries)
        for entry in entries:
            superseded = entry.key in self._superseded
            self._forget(entry)
            with suppress(FileNotFoundError):  # let go meanwhile, which is after the archive had it
                (self.inbox.done if superseded else self.inbox.put_back)(entry)
        if entries:
            log.warning("the archive lost instances, they are stored again", count=len(entries))

    def soonest(self) -> float:
        """Seconds until the next look: as long as nothing is held there is nothing to ask for."""
        return LOOK_SECONDS if self._proofs or self._doubted or not self._sure else math.inf

    def doubt(self) -> None:
        """The archive was away: whatever is held is asked for again, at once."""
        self._sure = False

    def step(self) -> bool:
        """Ask for what is due, or for all after an outage; True if there is more at once. Raises ArchiveUnavailable."""
        if time.monotonic() < self._look_at:
            return False
        self._notice_a_loss()
        if not self._sure:
            self._doubted, self._sure = self.inbox.held(MANY, ALL), True
        if self._doubted:
            self._ask_for_doubted()
        ripe = [entry for entry in self.inbox.held(BATCH, timedelta(seconds=self.seconds)) if self._has_aged(entry)]
        for entry in self._still_there(ripe):
            self._forget(entry)
            self.inbox.done(entry)
        more = bool(self._doubted) or len(ripe) == BATCH
        self._look_at = 0.0 if more else time.monotonic() + LOOK_SECONDS
        return more

    def _has_aged(self, entry: Entry) -> bool:
        """By the clock that nobody sets: the one that dates files may have jumped since this worker held it."""
        now = time.monotonic()
        return now - self._since.get(entry.key, -math.inf) >= self.seconds and now >= self._not_before.get(entry.key, 0)

    def _forget(self, entry: Entry) -> None:
        self._proofs.pop(entry.key, None)
        self._since.pop(entry.key, None)
        self._not_before.pop(entry.key, None)
        self._superseded.discard(entry.key)

    def _notice_a_loss(self) -> None:
        """An archive whose last change is older than one that we saw was put back to an earlier moment."""
        last = self.archive.last_change()
        if last < self._last_change:
            log.warning("the archive has lost its last changes", before=self._last_change, now=last)
            self.doubt()
        self._last_change = last

    def _ask_for_doubted(self) -> None:
        self._still_there(self._doubted[:BATCH])
        del self._doubted[:BATCH]

    def _still_there(self, entries: list[Entry]) -> list[Entry]:
        """Those that the archive has now. What it lost waits again, and is stored like new.

        What alone it says nothing of (Orthanc 1.10 reads no file of several GiB) is held on, and holds up nothing else.
        Raises ArchiveUnavailable if it is away altogether.
        """
        proofs = self._proofs_of(entries)
        answers = list(self.pool.map(lambda entry: self._is_there(entry, proofs.get(entry.key)), entries))
        said = dict(zip((entry.key for entry in entries), answers, strict=True))
        if None in answers:
            self.archive.last_change()
            self._put_off([entry for entry in entries if said[entry.key] is None])
        self.lost([entry for entry in entries if said[entry.key] is False])
        return [entry for entry in entries if said[entry.key]]

    def _put_off(self, entries: Sequence[Entry]) -> None:
        again = time.monotonic() + AGAIN_SECONDS
        self._not_before |= dict.fromkeys((entry.key for entry in entries), again)
        for entry in entries:
            log.warning("the archive says nothing of an instance, which is held on", sop_uid=entry.arrival.sop_uid)

    def _is_there(self, entry: Entry, proof: Proof | None) -> bool | None:
        try:
            return entry.key in self._superseded or (proof is not None and proof.holds_in(self.archive))
        except ArchiveUnavailable:
            return None

    def _proofs_of(self, entries: Iterable[Entry]) -> dict[str, Proof]:
        """As remembered, else (after a start of ours) from the entry itself and its row."""
        forgotten = [each for each in entries if each.key not in self._proofs]
        if forgotten:
            with self.database.reading() as session:
                identities = Identities()
                identities.look_up(session, [each.arrival for each in forgotten])
            for entry in forgotten:
                known = identities.known(entry.arrival)
                if known is not None:
                    self._remember(entry, known)
        return self._proofs

    def _remember(self, entry: Entry, known: Known) -> None:
        """Its row names it, or the version that replaced it: nothing is held that has had no row.

        Where its own file says nothing any more the row does. If the archive has not that, the entry waits again, and
        ingest says what is wrong with it.
        """
        try:
            stored = self.inbox.read(entry)
        except (Damaged, OSError, KeyMissing, KeysUnusable) as error:
            log.warning("a held file cannot be read, its row is asked", key=entry.key, error=f"{type(error).__name__}")
            self._proofs[entry.key] = Proof(known.archive_id, "", known.sha256)
            return
        if stored.sha256 == known.sha256:
            self._proofs[entry.key] = Proof(known.archive_id, stored.md5, stored.sha256)
        else:
            self._superseded.add(entry.key)
