"""`kill -9` of a receiving process at each kind of system call on the way of an object, from the first byte read to the
answer sent: what was acknowledged is there, whole, and the next process goes on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scp.inbox import Inbox
from scp.part10 import split_part10

PROGRAM = """
import sys
from pathlib import Path
from scp.inbox import Inbox
from scp.peers import PeerBook
from scp.server import ReceiverSettings, serve
folder = Path(sys.argv[1])
settings = ReceiverSettings(folder / "counters", host="127.0.0.1", port=int(sys.argv[2]), stop_seconds=2)
serve(settings, PeerBook(folder / "peers.json"), Inbox(folder / "inbox"), lambda port: print("ready", flush=True))
"""
CALLS = {
    "recvfrom": (1, 4, 9),
    "openat": (1, 2, 3, 4),  # the object's file, its folder, the next object's
    "flock": (1, 2),
    "pwritev2": (1, 2, 5),
    "fsync": (1, 2, 3, 4),
    "rename": (1, 2),
    "close": (1, 2, 3),
    "sendto": (2, 3),  # the first accepts the association
}
EACH = [(call, when) for call, numbers in CALLS.items() for when in numbers]
SHORT = {("rename", 1), ("sendto", 2)}


@contextmanager
def receiving(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    peers = [{"ae_title": "DEMO_PACS", "origin": "site:7", "name": "Hospital"}]
    (folder / "peers.json").write_text(json.dumps({"peers": peers}))
    command = [sys.executable, "-c", PROGRAM, str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        try:
            assert any(line.strip() == "ready" for line in said)
            yield process
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def killing(process: subprocess.Popen[str], call: str, when: int, trace: Path) -> Iterator[None]:
    """Have a thread of the process killed, and all of it, at its own call of this number from now on."""
    strace = shutil.which("strace")
    assert strace, "strace is missing: deploy/apt.sh test"
    fault = ("-f", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}", "-o", trace)
    tracer = subprocess.Popen([strace, *map(str, fault), "-p", str(process.pid)], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    with tracer.stderr as said:
        try:
            assert any("attached" in line for line in said)
            yield
        finally:
            tracer.terminate()
            tracer.wait(20)


def present(folder: Path) -> dict[str, set[str]]:
    """The digests of what waits, by UID; one that was not answered may be there twice, the same."""
    inbox = Inbox(folder / "inbox")
    found: dict[str, set[str]] = {}
    for entry in inbox.waiting(1000):
        digest = hashlib.sha256(split_part10(inbox.read(entry).part10)[1]).hexdigest()
        found.setdefault(entry.arrival.sop_uid, set()).add(digest)
    assert inbox.damaged() == []
    return found


def check(folder: Path, ledger, outside, call: str, when: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with receiving(folder, port) as process, killing(process, call, when, folder / "trace"):
        with outside.pushing(ledger, port, associations=1):
            outside.wait(lambda: process.poll() is not None, 30, f"the end at {call} number {when}")
        assert process.returncode == -9
    there = present(folder)
    assert ledger.acknowledged <= set(there) <= ledger.attempted
    with receiving(folder, port):
        assert list((folder / "inbox" / "tmp").iterdir()) == []
        with outside.pushing(ledger, port, associations=1):
            outside.wait(lambda: not ledger.left(), 60, "the rest of the push")
    assert present(folder) == {uid: {digest} for uid, digest in ledger.digests.items()}


@pytest.mark.parametrize(("call", "when"), sorted(SHORT))
def test_killed_between_fsync_and_answer_nothing_that_was_acknowledged_is_lost(
    tmp_path, make_ledger, outside, call: str, when: int
) -> None:
    check(tmp_path, make_ledger(4), outside, call, when)


@pytest.mark.faults
@pytest.mark.parametrize(("call", "when"), [each for each in EACH if each not in SHORT])
def test_killed_at_any_other_call_nothing_that_was_acknowledged_is_lost(
    tmp_path, make_ledger, outside, call: str, when: int
) -> None:
    check(tmp_path, make_ledger(6), outside, call, when)
