"""A worker's loops go on whatever a step raises, and say so in /health; they rest until there is something to do."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from gateway.loops import Loop, _beat, in_plain_words, never
from orthanc.errors import ArchiveUnavailable
from worklist.models import Pulse, now

FOR_EVER = 3600.0


def run(loop: Loop, stop: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=loop.run, args=(stop, FOR_EVER))
    thread.start()
    return thread


def test_no_step_that_fails_ends_its_loop() -> None:
    tried, stop = [], threading.Event()

    def step() -> bool:
        tried.append(1)
        if len(tried) == 3:
            assert (loop.ok, loop.detail) == (False, in_plain_words(ArchiveUnavailable()))
            stop.set()
            return True
        raise ArchiveUnavailable("The archive does not answer.")

    loop = Loop("ingest", step, 0.01)
    loop.run(stop, FOR_EVER)
    assert len(tried) == 3
    assert (loop.ok, loop.detail) == (True, "")


def test_a_loop_that_rests_looks_again_when_it_is_woken_and_ends_when_it_is_told_to() -> None:
    looked, stop = threading.Semaphore(0), threading.Event()
    loop = Loop("publish", lambda: bool(looked.release()), 0.01)
    thread = run(loop, stop)
    assert looked.acquire(timeout=20)
    for _ in range(3):
        assert not looked.acquire(timeout=0.1), "nothing happened, and it looked"
        loop.wake()
        assert looked.acquire(timeout=20)
    stop.set()
    loop.wake()
    thread.join(20)
    assert not thread.is_alive()


def test_a_wake_in_the_middle_of_a_look_is_not_lost() -> None:
    looks, stop = [], threading.Event()

    def step() -> bool:
        looks.append(1)
        if len(looks) == 1:
            loop.wake()  # a row was written just after this look at the rows
        else:
            stop.set()
            loop.wake()
        return False

    loop = Loop("publish", step, 0.01)
    run(loop, stop).join(20)
    assert len(looks) == 2


def test_a_loop_looks_when_something_is_due_by_the_clock_and_never_before_its_pause_is_over() -> None:
    looks, stop, due = [], threading.Event(), iter((0.0, 0.05, 0.0, never()))

    def step() -> bool:
        looks.append(time.monotonic())
        if len(looks) == 4:
            stop.set()
            loop.wake()
        return False

    loop = Loop("deliver", step, 0.1, soonest=lambda: next(due))
    run(loop, stop).join(20)
    assert all(later - earlier >= 0.1 for earlier, later in zip(looks, looks[1:], strict=False))


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_who_rests_is_alive_and_who_hangs_shows_it(database) -> None:
    stop, let_go, began = threading.Event(), threading.Event(), threading.Event()
    resting, hanging = Loop("rests", lambda: False, 0.01), Loop("hangs", lambda: began.set() or let_go.wait(60), 0.01)
    threads = [run(loop, stop) for loop in (resting, hanging)]
    assert began.wait(20)
    time.sleep(0.3)
    for _ in range(2):  # the second time there are rows
        _beat(database, (resting, hanging))
    with database.reading() as session:
        ages = {pulse.part: (now() - pulse.at).total_seconds() for pulse in session.query(Pulse)}
    stop.set()
    let_go.set()
    resting.wake()
    for thread in threads:
        thread.join(20)
    assert ages["worker: hangs"] - ages["worker: rests"] > 0.25


WORKER = """
import os, socket, sys, threading, pathlib
from config.database import connect
from gateway.loops import Loop, run_loops
from gateway.watching import Bell, Watch
mute = socket.create_server(("127.0.0.1", 0))
begun = threading.Event()
def deliver():
    with socket.create_connection(mute.getsockname()) as peer:
        begun.set()
        return bool(peer.recv(1))
loops = [Loop("deliver", deliver, 0.1), Loop("settle", lambda: False, 0.1)]
watch = Watch({}, Bell(pathlib.Path(sys.argv[2])))
ready = lambda: begun.wait() and print("ready", flush=True)
print(run_loops(connect(sys.argv[1]), loops, watch, ready, 60), flush=True)
os._exit(0)
"""


def test_a_peer_that_does_not_answer_does_not_hold_up_the_end_of_the_worker(database_url, tmp_path) -> None:
    """Ctrl-C said “worker did not stop when asked; ending it” while a report went to a mute PACS."""
    argv = [sys.executable, "-c", WORKER, database_url, str(tmp_path / "bell")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stdout.readline() == "ready\n"
            worker.send_signal(signal.SIGTERM)
            assert worker.communicate(timeout=60)[0] == "['deliver']\n"
            assert worker.returncode == 0
        finally:
            worker.kill()
