"""Decoding in processes of their own, which a bad object may kill: its caller gets Undecodable, nobody else notices.

The processes stay warm between frames. One that hangs is killed at the deadline, one that died is replaced.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from orthanc.cached import CachedInstance
from orthanc.errors import DecoderBusy, Undecodable
from orthanc.protocol import OK, READY, Look, Question, Rendering, receive_answer, rendering_of, send_question

START_SECONDS: Final = 60.0
MOST_COMPRESSED: Final = 512 * 1024 * 1024
_PROGRAM = Path(__file__).parent.parent
# None of our own environment, which may hold secrets; one thread, because threads reserve memory.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Decoder:
    """A few decoder processes, started when they are needed. Safe for threads."""

    def __init__(self, *, processes: int = 1, deadline: float = 20.0, memory: int = 3 << 30) -> None:
        self._deadline = deadline
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(_Process(memory))

    def render(self, instance: CachedInstance, frame: int, media_type: str, look: Look) -> bytes:
        """Return a frame, counted from 1, as an image/jpeg, an image/png or an image/gif.

        Raises NoSuchFrame, Undecodable (never again), DecoderBusy (try again).
        """
        return self._ask(instance, frame, rendering_of(media_type, look))

    def native(self, instance: CachedInstance, frame: int) -> bytes:
        """Return a frame as explicit little endian has it: native samples, colour by pixel. Raises as `render`."""
        return self._ask(instance, frame, None)

    def close(self) -> None:
        """End the processes that are idle; those at work end with their work."""
        while True:
            try:
                self._idle.get_nowait().stop()
            except queue.Empty:
                return

    def _ask(self, instance: CachedInstance, frame: int, how: Rendering | None) -> bytes:
        pieces = instance.frame(frame)
        if sum(length for _, length in pieces) > MOST_COMPRESSED:
            raise Undecodable("The frame is too large to be shown.")
        (header,) = instance.read([(0, instance.index.header_length)])
        question = Question(frame, how, self._deadline, header, b"".join(instance.read(pieces)))
        try:
            process = self._idle.get(timeout=self._deadline)
        except queue.Empty as error:
            raise DecoderBusy("Every decoder is at work.") from error
        try:
            return process.ask(question)
        finally:
            self._idle.put(process)


class _Process:
    """One decoder process, replaced when it is gone. For one thread at a time."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, question: Question) -> bytes:
        """Return the answer. A process that dies without one gets a second try: something else may have killed it."""
        for _ in range(2):
            child = self._running()
            with _killed_after(child, question.seconds) as deadline:
                answer = self._exchange(child, question)
            if answer is not None:
                return _content(answer)
            if deadline.passed:
                raise Undecodable("Decoding takes too long.")
        raise Undecodable("The decoder crashes on it.")

    def _exchange(self, child: subprocess.Popen[bytes], question: Question) -> tuple[int, bytes] | None:
        """Ask and read the answer; None if the process died over it. Whatever goes wrong, no half answer is left."""
        answer = None
        try:
            if child.stdin and child.stdout:
                send_question(child.stdin, question)
                answer = receive_answer(child.stdout)
        except (EOFError, OSError):
            return None
        finally:
            if answer is None:
                self.stop()
        return answer

    def stop(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.stop()
        self._child = _start(self._memory)
        return self._child


def _start(memory: int) -> subprocess.Popen[bytes]:
    """Start a process and wait until it has loaded its decoders."""
    child = subprocess.Popen(
        [sys.executable, "-m", "orthanc.decoder_process", str(memory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_PROGRAM,
        env=_ENVIRONMENT,
    )
    with _killed_after(child, START_SECONDS):
        ready = child.stdout.read(1) if child.stdout else b""
    if ready != READY:
        child.kill()
        child.communicate()
        raise DecoderBusy("The decoder cannot be started.")
    return child


def _content(answer: tuple[int, bytes]) -> bytes:
    status, content = answer
    if status != OK:
        raise Undecodable(content.decode("utf-8", "replace"))
    return content


class _killed_after:  # noqa: N801 - reads as what it does
    """Within the block, the process is killed when the time is over."""

    def __init__(self, child: subprocess.Popen[bytes], seconds: float) -> None:
        self.passed = False
        self._child = child
        self._timer = threading.Timer(seconds, self._kill)
        self._timer.daemon = True

    def _kill(self) -> None:
        self.passed = True
        self._child.kill()

    def __enter__(self) -> _killed_after:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
