"""Loops that carry things on, each a query for what is due. Run them again after any crash."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from config.database import Database
from orthanc.errors import ArchiveRefused, ArchiveUnavailable
from worklist.models import Pulse, now

log = structlog.get_logger()
LONGEST_PAUSE = 5.0
PULSE_EVERY = 2.0
IN_PLAIN_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (ArchiveUnavailable, "The archive does not answer, or answers with an error; it is asked again by itself."),
    (ArchiveRefused, "The archive refused something; the worker's log says what."),
    (SQLAlchemyError, "The database did not do what it was asked; the worker's log says more."),
    (OSError, "A disk or the network failed; the worker's log says which."),
)
UNEXPECTED = "Something unexpected went wrong; the worker's log says what. It is tried again by itself."


@dataclass(slots=True)
class Loop:
    """One kind of work: `step` does a piece and says whether there may be more at once."""

    name: str
    step: Callable[[], bool]
    pause: float  # seconds to wait when there was nothing to do
    ok: bool = True
    detail: str = ""
    beat: float = field(default_factory=time.monotonic)

    def run(self, stop: threading.Event) -> None:
        """Work until somebody says stop. An error is logged, shown in /health, and tried again after a pause."""
        pause = self.pause
        while not stop.is_set():
            try:
                more = self.step()
            except Exception as error:  # noqa: BLE001  # the edge of the process: nothing may end the loop
                log.warning("a step failed", loop=self.name, error=f"{type(error).__name__}: {error}")
                self.ok, self.detail = False, in_plain_words(error)
                stop.wait(pause)
                pause = min(max(pause, 0.1) * 2, LONGEST_PAUSE)
            else:
                self.ok, self.detail, pause = True, "", self.pause
                if not more:
                    stop.wait(pause)
            self.beat = time.monotonic()


def in_plain_words(error: Exception) -> str:
    """What the outside may know of an error: never SQL, paths or values, which stand in the log."""
    return next((words for kind, words in IN_PLAIN_WORDS if isinstance(error, kind)), UNEXPECTED)


def run_loops(database: Database, loops: Sequence[Loop], on_ready: Callable[[], object]) -> None:
    """Run all loops until SIGTERM or SIGINT; what is begun is finished."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threads = [threading.Thread(target=loop.run, args=(stop,), name=loop.name) for loop in loops]
    for thread in threads:
        thread.start()
    on_ready()
    while not stop.wait(PULSE_EVERY):
        _beat(database, loops)
    for thread in threads:
        thread.join()


def _beat(database: Database, loops: Sequence[Loop]) -> None:
    """Write down which loops are alive: /health in another process reads it."""
    moment = time.monotonic()
    try:
        with database.writing() as session:
            for loop in loops:
                at = now() - timedelta(seconds=moment - loop.beat)
                session.merge(Pulse(part=f"worker: {loop.name}", at=at, ok=loop.ok, detail=loop.detail[:500]))
    except Exception as error:  # noqa: BLE001  # the edge: a missed beat shows in /health by its age
        log.warning("no pulse written", error=f"{type(error).__name__}: {error}")
