"""Is it working? Proven by traffic: a real C-ECHO, a real question to archive and database, the workers' pulse."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Lock

import structlog
from sqlalchemy import func, select, text

from config.database import Database
from config.settings import Settings
from gateway.installation import Folders, read_secrets
from gateway.loops import FORGETS
from orthanc.archive import Archive
from scp.inbox import Inbox
from scp.sender import Endpoint, Sender
from worklist.models import Pulse, Trouble, now
from worklist.states import TroubleKind

log = structlog.get_logger()
REMEMBERED = 2.0  # seconds: many who ask at once cost one check
QUIET_WORKER = timedelta(seconds=15)
LEAST_FREE = 1 << 30
LONG_WAIT = timedelta(minutes=30)
INGEST = "worker: ingest"
ASKING_THE_ARCHIVE = frozenset(
    {INGEST, *(f"worker: {loop}" for loop in ("publish", "keep", "commit", "look", "bake", "ready", "altered"))}
)
"""Loops whose steps wait for the archive: while it hangs they are late, and receiving goes on."""
PATIENCE = 3.0  # seconds for all parts together: whoever asks is never kept longer

# What is said of a part that fails; why it does is in the log, for /health is open to all.
FAILING = {
    "receiver": "Does not answer a C-ECHO. See the logs of the receivers.",
    "inbox": "Cannot be read. See the log of the web application.",
    "disk": "Cannot be looked at. See the log of the web application.",
    "database": "Does not answer. See the log of the web application.",
    "worker": "Whether it works cannot be seen, because the database does not answer.",
    "ingest": "Whether it goes on cannot be seen. See the log of the web application.",
    "kept entries": "Cannot be counted, because the database does not answer.",
    "archived images": "Cannot be counted, because the database does not answer.",
    "archive": "Does not answer. See the log of the archive.",
}

WAITS_FOR_THE_ARCHIVE = "Waits, because the archive does not answer; what is received is kept meanwhile."


class NotWell(Exception):
    """A part does not work; the message says what to do, and nothing that is not for everybody."""


@dataclass(frozen=True, slots=True)
class Check:
    """One part and whether it works; `detail` says what to do if not. A part that is not needed to receive may fail
    without making the whole unhealthy (`vital` is False)."""

    part: str
    ok: bool
    detail: str
    vital: bool = True


@dataclass(slots=True)
class Health:
    """Checks all parts at once and remembers the answer for a moment."""

    settings: Settings
    database: Database
    archive: Archive
    inbox: Inbox
    sender: Sender
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(len(FAILING), "health"))
    _asked: dict[str, Future[str]] = field(default_factory=dict)  # a question may outlive our patience
    _lock: Lock = field(default_factory=Lock)
    _until: float = 0.0
    _last: tuple[Check, ...] = ()

    def checks(self) -> tuple[Check, ...]:
        """Every part, freshly asked or as it answered a moment ago; nobody waits while another asks."""
        if time.monotonic() < self._until or not self._lock.acquire(blocking=not self._last):
            return self._last
        try:
            if time.monotonic() >= self._until:
                self._last = self._ask()
                self._until = time.monotonic() + REMEMBERED
            return self._last
        finally:
            self._lock.release()

    def _ask(self) -> tuple[Check, ...]:
        questions: tuple[tuple[str, Callable[[], str], bool], ...] = (
            ("receiver", self._receiver, True),
            ("inbox", self._inbox, True),
            ("disk", self._disk, True),
            ("database", self._database, True),
            ("worker", self._worker, True),
            ("ingest", self._ingest, True),
            ("kept entries", self._kept, False),
            ("archived images", self._archived, False),
            ("archive", self._archive, False),
        )
        for part, question, _ in questions:
            if part not in self._asked:
                self._asked[part] = self._pool.submit(question)
        wait(self._asked.values(), PATIENCE)
        return _blaming_the_archive(tuple(self._answer(part, vital) for part, _, vital in questions))

    def _answer(self, part: str, vital: bool) -> Check:  # noqa: FBT001
        if not self._asked[part].done():
            return Check(part, False, f"Did not answer within {PATIENCE:.0f} seconds.", vital)
        return _check(part, self._asked.pop(part), vital)

    def _receiver(self) -> str:
        dicom = self.settings.dicom
        own_title = read_secrets(Folders(self.settings.data)).own_title
        self.sender.echo(Endpoint(dicom.ae_title, dicom.called, dicom.port, own_title))
        return "answered a C-ECHO"

    def _inbox(self) -> str:
        backlog = self.inbox.backlog()
        since = f", the oldest since {backlog.oldest_at:%H:%M:%S} UTC" if backlog.oldest_at else ""
        return f"{backlog.count} instances wait for the archive{since}"

    def _disk(self) -> str:
        free, keep = shutil.disk_usage(self.settings.data).free, self.settings.dicom.inbox_keep_free
        if free < LEAST_FREE:
            raise NotWell(
                f"Only {free >> 20} MB are free in the data folder; {LEAST_FREE >> 20} MB are needed, and nothing is "
                f"received below dicom.inbox_keep_free ({keep >> 20} MB). Make room."
            )
        return f"{free >> 30} GB free"

    def _database(self) -> str:
        with self.database.reading() as session:
            session.execute(text("SELECT 1"))
        return "answered a query"

    def _worker(self) -> str:
        pulses = self._pulses()
        failing = [pulse.part for pulse in pulses if not pulse.ok]
        if not pulses:
            raise NotWell("No sign of life from any worker; see the log.")
        _require_life([pulse for pulse in pulses if pulse.part not in ASKING_THE_ARCHIVE])
        return "working" if not failing else "working, with trouble: " + "; ".join(failing)

    def _ingest(self) -> str:
        """What was received goes on into the archive: its last steps worked, and nothing has waited for too long."""
        pulses = [pulse for pulse in self._pulses() if pulse.part in ASKING_THE_ARCHIVE]
        _require_life(pulses)
        if any(pulse.part == INGEST and not pulse.ok for pulse in pulses):
            raise NotWell("What was received is not carried on; see Oversight and the log of the worker.")
        oldest = self.inbox.backlog().oldest_at
        if oldest is not None and now() - oldest > LONG_WAIT:
            raise NotWell(f"Something has waited for the archive since {oldest:%d %B %H:%M} UTC; see Oversight.")
        return "carried on as it comes"

    def _pulses(self) -> Sequence[Pulse]:
        with self.database.reading() as session:
            return session.scalars(select(Pulse).where(Pulse.part.startswith("worker: "))).all()

    def _kept(self) -> str:
        """Every entry of the inbox can be read."""
        if count := self._open_troubles(TroubleKind.UNREADABLE, TroubleKind.DAMAGED):
            raise NotWell(f"{count} received objects cannot be read from our own disk; see Oversight.")
        return "all can be read"

    def _archived(self) -> str:
        """Whatever the archive was asked for came as it went in."""
        if count := self._open_troubles(TroubleKind.ALTERED):
            raise NotWell(f"{count} images come out of the archive otherwise than they went in; see Oversight.")
        return "come out as they went in"

    def _open_troubles(self, *kinds: TroubleKind) -> int:
        with self.database.reading() as session:
            open_ones = select(func.count()).where(Trouble.kind.in_(kinds), Trouble.resolved_at.is_(None))
            return session.scalar(open_ones) or 0

    def _archive(self) -> str:
        info = self.archive.probe()
        if any(pulse.detail == FORGETS for pulse in self._pulses()):
            raise NotWell(FORGETS)
        return f"Orthanc {info.version} answered"


def _require_life(pulses: Sequence[Pulse]) -> None:
    late = [pulse.part for pulse in pulses if abs(now() - pulse.at) > QUIET_WORKER]
    if late:
        raise NotWell(f"No sign of life from {', '.join(late)}; see the log.")


def _blaming_the_archive(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """While the archive is away, ingest cannot go on, but receiving can: that is not vital then, and said as it is."""
    if not any(check.part == "archive" and not check.ok for check in checks):
        return checks
    return tuple(_waiting(check) if check.part == "ingest" else check for check in checks)


def _waiting(ingest: Check) -> Check:
    return replace(ingest, vital=False, detail=ingest.detail if ingest.ok else WAITS_FOR_THE_ARCHIVE)


def _check(part: str, asked: Future[str], vital: bool) -> Check:  # noqa: FBT001
    try:
        return Check(part, True, asked.result(), vital)
    except NotWell as error:
        return Check(part, False, str(error), vital)
    except Exception as error:  # noqa: BLE001  # whatever it is, this part does not work
        log.warning("a part does not work", part=part, error=type(error).__name__, reason=str(error))
        return Check(part, False, FAILING[part], vital)
