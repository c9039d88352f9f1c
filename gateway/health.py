"""Is it working? Proven by traffic: a real C-ECHO, a real question to archive and database, the workers' pulse."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Lock

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from config.database import Database
from config.settings import Settings
from gateway.sites import DOCTOR
from gateway.troubles import DAMAGED, UNREADABLE
from orthanc.archive import Archive
from scp.inbox import Inbox
from scp.sender import Endpoint, Sender
from worklist.models import Pulse, Trouble, now

log = structlog.get_logger()
REMEMBERED = 2.0  # seconds: many who ask at once cost one check
QUIET_WORKER = timedelta(seconds=15)
LEAST_FREE = 1 << 30
LONG_WAIT = timedelta(minutes=30)
INGEST = "worker: ingest"


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
    _lock: Lock = field(default_factory=Lock)
    _until: float = 0.0
    _last: tuple[Check, ...] = ()

    def checks(self) -> tuple[Check, ...]:
        """Every part, freshly asked or as it answered a moment ago."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._last = self._ask()
                self._until = time.monotonic() + REMEMBERED
            return self._last

    def _ask(self) -> tuple[Check, ...]:
        questions: tuple[tuple[str, Callable[[], str], bool], ...] = (
            ("receiver", self._receiver, True),
            ("inbox", self._inbox, True),
            ("disk", self._disk, True),
            ("database", self._database, True),
            ("worker", self._worker, True),
            ("ingest", self._ingest, True),
            ("kept entries", self._kept, False),
            ("archive", self._archive, False),
        )
        with ThreadPoolExecutor(len(questions)) as pool:
            return _blaming_the_archive(tuple(pool.map(lambda each: _check(*each), questions)))

    def _receiver(self) -> str:
        dicom = self.settings.dicom
        host = "127.0.0.1" if dicom.host in {"0.0.0.0", ""} else dicom.host  # noqa: S104  # compared, not bound
        self.sender.echo(Endpoint(dicom.ae_title, host, dicom.port, DOCTOR))
        return "answered a C-ECHO"

    def _inbox(self) -> str:
        backlog = self.inbox.backlog()
        since = f", the oldest since {backlog.oldest_at:%H:%M:%S} UTC" if backlog.oldest_at else ""
        return f"{backlog.count} instances wait for the archive{since}"

    def _disk(self) -> str:
        free = shutil.disk_usage(self.settings.data).free
        if free < LEAST_FREE:
            raise RuntimeError(f"Only {free >> 20} MB are free in {self.settings.data}; make room.")
        return f"{free >> 30} GB free"

    def _database(self) -> str:
        with self.database.reading() as session:
            session.execute(text("SELECT 1"))
        return "answered a query"

    def _worker(self) -> str:
        with self.database.reading() as session:
            pulses = session.scalars(select(Pulse).where(Pulse.part.startswith("worker: "))).all()
        late = [pulse.part for pulse in pulses if now() - pulse.at > QUIET_WORKER]
        failing = [f"{pulse.part} ({pulse.detail})" for pulse in pulses if not pulse.ok]
        if not pulses or late:
            raise RuntimeError("No sign of life from " + (", ".join(late) or "any worker") + "; see the log.")
        return "working" if not failing else "working, with trouble: " + "; ".join(failing)

    def _ingest(self) -> str:
        """What was received goes on into the archive: its last steps worked, and nothing has waited for too long."""
        with self.database.reading() as session:
            pulse = session.get(Pulse, INGEST)
        if pulse is not None and not pulse.ok:
            raise RuntimeError(f"What was received is not carried on. {pulse.detail}")
        oldest = self.inbox.backlog().oldest_at
        if oldest is not None and now() - oldest > LONG_WAIT:
            raise RuntimeError(f"Something has waited for the archive since {oldest:%d %B %H:%M} UTC; see Oversight.")
        return "carried on as it comes"

    def _kept(self) -> str:
        """Every entry of the inbox can be read."""
        unusable = select(func.count()).where(Trouble.kind.in_((UNREADABLE, DAMAGED)), Trouble.resolved_at.is_(None))
        with self.database.reading() as session:
            count = session.scalar(unusable)
        if count:
            raise RuntimeError(f"{count} received objects cannot be read from our own disk; see Oversight.")
        return "all can be read"

    def _archive(self) -> str:
        info = self.archive.probe()
        return f"Orthanc {info.version} answered"


def _blaming_the_archive(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """While the archive is away, ingest cannot go on, but receiving can: that is not vital then."""
    away = any(check.part == "archive" and not check.ok for check in checks)
    return tuple(replace(check, vital=check.vital and not (away and check.part == "ingest")) for check in checks)


def _check(part: str, question: Callable[[], str], vital: bool) -> Check:  # noqa: FBT001
    try:
        return Check(part, True, question(), vital)
    except SQLAlchemyError:
        log.exception("a check of the database failed", part=part)
        return Check(part, False, "The database did not answer; the log of the web part says more.", vital)
    except Exception as error:  # noqa: BLE001  # whatever it is, this part does not work, and its words say why
        return Check(part, False, str(error) or type(error).__name__, vital)
