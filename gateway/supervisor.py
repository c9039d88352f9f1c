"""`overread up`: every part as a child process of one supervisor, restarted when it dies, stopped when it should.

The children die with the supervisor even when that is killed (PR_SET_PDEATHSIG), so that the next start finds its
ports free.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from config.errors import Explained
from config.settings import ConfigurationError

PR_SET_PDEATHSIG = 1
STOP_PATIENCE = 10.0  # seconds until a part that was asked to stop is killed
LONGEST_PAUSE = 10.0  # between two restarts of a part that keeps dying
LARGE_LOG = 50 << 20
NICENESS = 5
"""Who waits for an answer goes first: receivers and pages, then the worker and our archive."""

LAST = 10
"""For what nobody waits for at a start, beside people who do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One child process. `ready` tells whether it does its work; parts stop in the order of `stops`.

    A `nice` part lets the others go first.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], bool]
    stops: int
    nice: int = 0


@dataclass(slots=True)
class _Child:
    part: Part
    process: subprocess.Popen[bytes]
    started: float
    pause: float = 0.2
    again_at: float = 0.0
    once: bool = False


class StartFailed(Explained):
    """A part does not come up; the message says which and where to read why."""


@dataclass(slots=True)
class Supervisor:
    """Starts parts, watches them, stops them."""

    log_folder: Path
    say: Callable[[str], None]
    _children: list[_Child] = field(default_factory=list)
    _stopping: bool = False

    def listen_to_signals(self) -> None:
        """Stop cleanly on Ctrl-C, SIGTERM and SIGHUP."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether somebody asked us to stop."""
        return self._stopping

    def start(self, parts: Sequence[Part], patience: float = 60.0) -> None:
        """Start parts and wait until all are ready. Raises StartFailed."""
        fresh = [_Child(part, self._spawn(part), time.monotonic()) for part in parts]
        self._children += fresh
        deadline = time.monotonic() + patience
        waiting = list(fresh)
        while waiting and not self._stopping:
            self.tend()
            waiting = [child for child in waiting if not (child.process.poll() is None and child.part.ready())]
            if waiting and time.monotonic() > deadline:
                names = ", ".join(child.part.name for child in waiting)
                raise StartFailed(f"{names} did not start within {patience:.0f} s; see {self.log_folder}.")
            time.sleep(0.05)

    def run_once(self, part: Part) -> None:
        """Start a part that ends by itself; it is stopped with the others, and not started again."""
        self._children.append(_Child(part, self._spawn(part), time.monotonic(), once=True))

    def watch(self) -> None:
        """Keep every part alive until somebody asks us to stop."""
        while not self._stopping:
            self.tend()
            time.sleep(0.1)

    def tend(self) -> None:
        """Restart what died, with growing pauses for a part that keeps dying."""
        moment = time.monotonic()
        for child in self._children:
            if child.again_at:
                if moment >= child.again_at:
                    child.process, child.started, child.again_at = self._spawn(child.part), moment, 0.0
                continue
            code = child.process.poll()
            if code is None or (child.once and code == 0):
                continue
            child.pause = 0.2 if moment - child.started > LONGEST_PAUSE else min(child.pause * 2, LONGEST_PAUSE)
            child.again_at = moment + child.pause
            self.say(f"{child.part.name} ended ({_in_words(code)}); starting it again in {child.pause:.1f} s")

    def stop(self) -> None:
        """Stop all parts, those that take in work first; nothing is left running."""
        self._stopping = True
        for order in sorted({child.part.stops for child in self._children}):
            group = [child for child in self._children if child.part.stops == order and child.process.poll() is None]
            for child in group:
                child.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_PATIENCE
            for child in group:
                try:
                    child.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self.say(f"{child.part.name} did not stop when asked; ending it")
                    child.process.kill()
                    child.process.wait()

    def _spawn(self, part: Part) -> subprocess.Popen[bytes]:
        with _open_log(self.log_folder / f"{part.name}.log") as out:
            return subprocess.Popen(
                list(part.argv),
                env=dict(part.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the parts in order
                preexec_fn=lambda: _begin(part),  # noqa: PLW1509  # we have one thread
            )


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel for SIGTERM when the parent process is gone; at once, if it is not `parent` any more."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def step_back(niceness: int) -> None:
    """Let processes that are less nice go first.

    Where sessions compete with each other, each of our parts does as one, by its niceness there (sched(7), autogroup).
    """
    os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # a kernel without it
            Path("/proc/self/autogroup").write_text(str(niceness))


def _begin(part: Part) -> None:
    die_with_parent()
    step_back(part.nice)


def hold_lock(file: Path) -> IO[str]:
    """One supervisor per data folder. Raises ConfigurationError when another has it; keep the file to keep the lock."""
    handle = file.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise ConfigurationError(
            f"Overread already runs in {file.parent}. Stop it first, or use another --data."
        ) from error
    return handle


def require_free_port(host: str, port: int, option: str) -> None:
    """Raises ConfigurationError when somebody else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise ConfigurationError(
                f"Port {port} needs more rights than this user has. Choose one above 1023 with {option} PORT."
            ) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigurationError(f"“{host}” is not an address of this machine to listen on.") from error
            raise ConfigurationError(
                f"Port {port} is in use by another program. Stop that, or choose another with {option} PORT."
            ) from error


def to_stderr(message: str) -> None:
    """Say something to whoever started us, without disturbing what programs read from stdout."""
    with contextlib.suppress(OSError):  # it may be a file on a full disk
        sys.stderr.write(f"overread: {message}\n")
        sys.stderr.flush()


def _open_log(file: Path) -> IO[bytes]:
    """The log of a part; nowhere if the disk says no: a part without a log is better than none."""
    try:
        if file.exists() and file.stat().st_size > LARGE_LOG:
            file.replace(file.with_suffix(".log.1"))
        return file.open("ab", buffering=0)
    except OSError as error:
        to_stderr(f"{file} cannot be written ({error.strerror}); that part runs without a log")
        return Path(os.devnull).open("ab", buffering=0)


def _in_words(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
