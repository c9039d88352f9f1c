"""Loops that carry things on, each a query for what is due. Run them again after any crash."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from config.database import Database
from gateway.watching import Watch
from orthanc.errors import ArchiveForgets, ArchiveRefused, ArchiveUnavailable
from worklist.models import Pulse, now

log = structlog.get_logger()
LONGEST_PAUSE = 5.0
PULSE_EVERY = 2.0  # what changed is said after so long at the latest,
PULSE_AT_LEAST = 5.0  # that nothing changed after so long
FINISHING = 5.0  # seconds to finish what was begun: the supervisor ends who takes twice as long
MOMENT = 0.02  # whatever comes within it wakes a loop once
FORGETS = (
    "The archive says that it stored what it is sent, and then does not have it. Nothing is lost: everything is kept "
    "here and sent again, after growing pauses. Look at the archive's disk and log."
)
IN_PLAIN_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (ArchiveForgets, FORGETS),
    (ArchiveUnavailable, "The archive does not answer, or answers with an error; it is asked again by itself."),
    (ArchiveRefused, "The archive refused something; the worker's log says what."),
    (SQLAlchemyError, "The database did not do what it was asked; the worker's log says more."),
    (OSError, "A disk or the network failed; the worker's log says which."),
)
UNEXPECTED = "Something unexpected went wrong; the worker's log says what. It is tried again by itself."


def at_once() -> float:
    """There is no telling: look after each pause."""
    return 0.0


def never() -> float:
    """Nothing is due by the clock alone."""
    return math.inf


def numbered(name: str, number: int) -> str:
    """The name of one of several loops that do the same."""
    return name if number == 1 else f"{name} {number}"


@dataclass(slots=True)
class Loop:
    """One kind of work: `step` does a piece and says whether there may be more at once.

    After nothing was to do it rests: until it hears something new `in_` a place, until `soonest` (seconds from now),
    or for a while; but `pause` seconds at least lie between two looks. A step that waits for a stranger `takes_long`:
    it has its own bound, and is no sign of death; `halt` is called when the worker stops, so that it ends early.
    """

    name: str
    step: Callable[[], bool]
    pause: float
    in_: frozenset[str] = frozenset({"rows"})
    soonest: Callable[[], float] = never
    takes_long: bool = False
    halt: Callable[[], object] = tuple
    ok: bool = True
    detail: str = ""
    _began: float | None = None  # None: it rests
    _woken: threading.Event = field(default_factory=threading.Event)

    @property
    def beat(self) -> float:
        """When it last showed that it goes on, by the monotonic clock: who rests is ready at any time."""
        return time.monotonic() if self.takes_long else self._began or time.monotonic()

    def wake(self) -> None:
        """Let it look, if it rests."""
        self._woken.set()

    def run(self, stop: threading.Event, longest_rest: float) -> None:
        """Work until somebody says stop. An error is logged, shown in /health, and tried again after a pause."""
        trouble = self.pause
        while not stop.is_set():
            self._began = time.monotonic()
            self._woken.clear()
            try:
                rest = 0.0 if self.step() else min(max(self.soonest(), self.pause), longest_rest)
            except Exception as error:  # noqa: BLE001  # the edge of the process: nothing may end the loop
                log.warning("a step failed", loop=self.name, error=f"{type(error).__name__}: {error}")
                self.ok, self.detail = False, in_plain_words(error)
                stop.wait(trouble)
                trouble = min(max(trouble, 0.1) * 2, LONGEST_PAUSE)
            else:
                self.ok, self.detail, trouble = True, "", self.pause
                self._rest(stop, rest)

    def _rest(self, stop: threading.Event, seconds: float) -> None:
        if not seconds:
            return
        begun, self._began = self._began or 0.0, None
        if self._woken.wait(seconds) and not stop.is_set():
            stop.wait(begun + self.pause - time.monotonic())


def in_plain_words(error: Exception) -> str:
    """What the outside may know of an error: never SQL, paths or values, which stand in the log."""
    return next((words for kind, words in IN_PLAIN_WORDS if isinstance(error, kind)), UNEXPECTED)


def run_loops(
    database: Database, loops: Sequence[Loop], watch: Watch, on_ready: Callable[[], object], longest_rest: float
) -> list[str]:
    """Run all loops until SIGTERM or SIGINT; what is begun is finished, unless that takes long.

    Returns the names of loops that are still at work: on a peer that does not answer, say. Each step can be repeated.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watch.stop())
    stop = threading.Event()
    threads = [
        threading.Thread(target=loop.run, args=(stop, longest_rest), name=loop.name, daemon=True) for loop in loops
    ]
    for thread in threads:
        thread.start()
    on_ready()
    _listen(database, loops, watch)
    stop.set()
    for loop in loops:
        loop.halt()
        loop.wake()
    return _still_at_work(threads)


def _still_at_work(threads: Sequence[threading.Thread]) -> list[str]:
    until = time.monotonic() + FINISHING
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]


def _listen(database: Database, loops: Sequence[Loop], watch: Watch) -> None:
    """Wake the loops, and say for /health which of them are alive, until somebody says stop."""
    said: list[tuple[bool, str]] = []
    due = 0.0
    while (heard := watch.wait(PULSE_EVERY)) is not None:
        for loop in loops:
            if loop.in_ & heard:
                loop.wake()
        says = [(loop.ok, loop.detail) for loop in loops]
        if says != said or time.monotonic() >= due:
            _beat(database, loops)
            said, due = says, time.monotonic() + PULSE_AT_LEAST
        time.sleep(MOMENT)


def _beat(database: Database, loops: Sequence[Loop]) -> None:
    """Write down which loops are alive: /health in another process reads it."""
    moment = time.monotonic()
    pulses = [
        {
            "part": f"worker: {loop.name}",
            "at": now() - timedelta(seconds=moment - loop.beat),
            "ok": loop.ok,
            "detail": loop.detail[:500],
        }
        for loop in loops
    ]
    try:
        with database.writing_quietly() as session:
            known = set(session.scalars(select(Pulse.part)))
            for some, statement in (
                ([one for one in pulses if one["part"] not in known], insert(Pulse)),
                ([one for one in pulses if one["part"] in known], update(Pulse)),
            ):
                if some:
                    session.execute(statement, some)
    except Exception as error:  # noqa: BLE001  # the edge: a missed beat shows in /health by its age
        log.warning("no pulse written", error=f"{type(error).__name__}: {error}")
