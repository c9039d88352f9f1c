"""When a session or token was last used, written down while nobody waits: a commit waits for the disk."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from config.database import Database
from gateway.accounts import devices
from gateway.accounts.devices import MARKED
from worklist.models import ApiToken, WebSession

MOST = 10_000
Table = type[WebSession] | type[ApiToken]

log = structlog.get_logger()


@dataclass(slots=True)
class Marks:
    """Writes them. Of many requests that notice the same at once, one begins it. Safe for threads."""

    database: Database
    _begun: dict[tuple[Table, int], float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "marks"))

    def note(self, table: Table, row_id: int) -> None:
        """Have it written that this row is in use."""
        if self._is_first(table, row_id):
            with suppress(RuntimeError):  # the process stops
                self._pool.submit(self._write, table, row_id)

    def close(self) -> None:
        """Write what was noted, for the last time."""
        self._pool.shutdown()

    def _is_first(self, table: Table, row_id: int) -> bool:
        moment = time.monotonic()
        with self._lock:
            begun = self._begun.get((table, row_id))
            if begun is not None and moment - begun < MARKED.total_seconds():
                return False
            if len(self._begun) >= MOST:
                self._begun.clear()
            self._begun[table, row_id] = moment
            return True

    def _write(self, table: Table, row_id: int) -> None:
        try:
            with self.database.writing_quietly() as session:
                devices.mark_used(session, table, row_id)
        except SQLAlchemyError as error:  # the database is busy: a request in a minute marks it
            log.warning("not marked as used", error=type(error).__name__)
