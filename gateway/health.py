"""Is it working? Proven by traffic: a real C-ECHO, a real question to archive and database, the workers' pulse."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from sqlalchemy import select, text

from config.database import Database
from config.settings import Settings
from gateway.sites import DOCTOR
from orthanc.archive import Archive
from scp.inbox import Inbox
from scp.sender import Endpoint, Sender
from worklist.models import Pulse, now

REMEMBERED = 2.0  # seconds: many who ask at once cost one check
QUIET_WORKER = timedelta(seconds=15)
LEAST_FREE = 1 << 30


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
            ("archive", self._archive, False),
        )
        with ThreadPoolExecutor(len(questions)) as pool:
            return tuple(pool.map(lambda each: _check(*each), questions))

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

    def _archive(self) -> str:
        info = self.archive.probe()
        return f"Orthanc {info.version} answered"


def _check(part: str, question: Callable[[], str], vital: bool) -> Check:  # noqa: FBT001
    try:
        return Check(part, True, question(), vital)
    except Exception as error:  # noqa: BLE001  # whatever it is, this part does not work, and its words say why
        return Check(part, False, str(error) or type(error).__name__, vital)
