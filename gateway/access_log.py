"""Who looked at which images: noted in memory on the way of a frame, written to the database every second.

All requests of one kind (who, what, which series, with what outcome) within a minute are one line with a count. What
was noted is written when the process is asked to stop; kill -9 loses at most the last second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock, Thread

import structlog
from sqlalchemy import insert, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from config.database import Database
from dicomweb.services import Access
from worklist.models import AccessLine, now

EVERY = 1.0  # seconds between two writes
AT_ONCE = 500  # lines that are written without waiting for that
MOST = 20_000  # lines that wait while the database does not take them
ONE_LINE = 60.0  # seconds

log = structlog.get_logger()


@dataclass(slots=True)
class _Line:
    begun: float
    at: datetime
    last_at: datetime
    fresh: int = 0  # requests that the row does not have yet
    row: int | None = None


@dataclass(slots=True)
class AccessLog:
    """One process's lines; `note` may be called by every thread."""

    database: Database
    _lines: dict[Access, _Line] = field(default_factory=dict)
    _over: list[tuple[Access, _Line]] = field(default_factory=list)  # another line of the same kind has begun
    _lost: int = 0
    _waiting: int = 0
    _lock: Lock = field(default_factory=Lock)
    _writing: Lock = field(default_factory=Lock)
    _wake: Event = field(default_factory=Event)
    _stopped: bool = False
    _thread: Thread | None = None

    def note(self, access: Access) -> None:
        """Note one request. It costs no more than a look into a table in memory."""
        moment = time.monotonic()
        with self._lock:
            line = self._lines.get(access)
            if line is None or moment - line.begun > ONE_LINE:
                line = self._begin(access, line, moment)
            if line is None:
                return
            self._waiting += not line.fresh
            line.fresh += 1
            line.last_at = now()
            self._start()
        if self._waiting >= AT_ONCE:
            self._wake.set()

    def stop(self) -> None:
        """Write what was noted, for the last time."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5)
        self.write()

    def write(self) -> None:
        """Write what was noted; if the database does not take it, keep it for the next time."""
        with self._writing:
            batch, lost = self._taken()
            if not batch and not lost:
                return
            try:
                with self.database.writing() as session:
                    rows = [_put(session, access, line, count) for access, line, count in batch]
                    if lost:
                        session.add(AccessLine(action="lost", status=0, requests=lost))
            except SQLAlchemyError as error:
                log.warning("the access log could not be written yet", error=type(error).__name__)
                self._put_back(batch, lost)
                return
            for (_, line, _), row in zip(batch, rows, strict=True):
                line.row = row

    def _begin(self, access: Access, old: _Line | None, moment: float) -> _Line | None:
        if len(self._lines) + len(self._over) >= MOST:
            self._lost += 1
            return None
        if old is not None and old.fresh:
            self._over.append((access, old))
        line = self._lines[access] = _Line(moment, now(), now())
        return line

    def _taken(self) -> tuple[list[tuple[Access, _Line, int]], int]:
        with self._lock:
            batch = [(access, line, line.fresh) for access, line in [*self._over, *self._lines.items()] if line.fresh]
            for _, line, _ in batch:
                line.fresh = 0
            lost, self._lost, self._waiting = self._lost, 0, 0
            self._over.clear()
            old = time.monotonic() - ONE_LINE
            self._lines = {access: line for access, line in self._lines.items() if line.begun > old}
            return batch, lost

    def _put_back(self, batch: list[tuple[Access, _Line, int]], lost: int) -> None:
        with self._lock:
            self._lost += lost
            for access, line, count in batch:
                line.fresh += count
                if self._lines.get(access) is not line:
                    self._over.append((access, line))

    def _start(self) -> None:
        if self._thread is None and not self._stopped:
            self._thread = Thread(target=self._run, name="access log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(EVERY)
            self._wake.clear()
            self.write()


def _put(session: Session, access: Access, line: _Line, count: int) -> int:
    """Write one line, or add to the row that it has; the id of the row."""
    if line.row is not None:
        more = {"requests": AccessLine.requests + count, "last_at": line.last_at}
        session.execute(update(AccessLine).where(AccessLine.id == line.row).values(more))
        return line.row
    made = session.execute(
        insert(AccessLine).returning(AccessLine.id),
        {
            "at": line.at,
            "last_at": line.last_at,
            "person_id": access.person_id,
            "link_id": access.link_id,
            "ae_title": access.ae_title,
            "action": access.action,
            "study_uid": access.study_uid,
            "series_uid": access.series_uid,
            "case_id": access.case_id,
            "status": access.status,
            "address": access.address[:64],
            "requests": count,
        },
    )
    return made.scalar_one()
