"""The disk of a running receiver says no: the sender hears A700, and when the disk is well again everything is taken
without a restart, and nothing is left in tmp/.
"""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

FAULTS = [
    ("fsync", "error=EIO:when=1"),  # of the file
    ("fsync", "error=EIO:when=2"),  # of its folder
    ("fsync", "error=EIO:when=3..6"),
    ("rename", "error=EIO:when=1+2"),
    ("pwritev2", "error=EIO:when=1+3"),
    ("pwritev2", "error=ENOSPC:when=1..4"),
    ("pwritev2", "error=EDQUOT:when=2"),
    ("openat", "error=EMFILE:when=1..5"),
    ("openat", "error=ENFILE:when=2"),
    ("openat", "error=EROFS:when=1"),
    ("flock", "error=ENOLCK:when=1"),
]


def open_files(process: subprocess.Popen[str]) -> int:
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def check(receiver, ledger, outside, call: str, fault: str) -> None:
    with receiver.running() as process:
        assert outside.answers_echo(receiver.port)  # what a first association opens for good is no leak
        before = open_files(process)
        with ExitStack() as fails:
            trace = fails.enter_context(receiver.struck(process, call, fault))
            fails.enter_context(outside.pushing(ledger, receiver.port, associations=1))
            outside.wait(lambda: "INJECTED" in trace.read_text(), 60, "the fault")
        with outside.pushing(ledger, receiver.port, associations=1):
            outside.wait(lambda: not ledger.left(), 60, "the end of the push")
        assert process.poll() is None
        assert outside.answers_echo(receiver.port)
        assert list((receiver.folder / "inbox" / "tmp").iterdir()) == []
        outside.wait(lambda: open_files(process) <= before, 20, "that no file stays open")
    assert receiver.present() == {uid: {digest} for uid, digest in ledger.digests.items()}


def test_an_fsync_that_fails_costs_one_answer_and_nothing_else(receiver, make_ledger, outside) -> None:
    check(receiver, make_ledger(12), outside, *FAULTS[0])


@pytest.mark.faults
@pytest.mark.parametrize(("call", "fault"), FAULTS[1:])
def test_any_other_call_that_fails_costs_some_answers_and_nothing_else(
    receiver, make_ledger, outside, call: str, fault: str
) -> None:
    check(receiver, make_ledger(12), outside, call, fault)


@pytest.mark.faults
def test_a_disk_that_becomes_read_only_refuses_until_it_is_writable_again(disk, receiver, make_ledger, outside) -> None:
    ledger = make_ledger(30)
    with receiver.running() as process, outside.pushing(ledger, receiver.port, at_once=4):
        outside.wait(lambda: len(ledger.acknowledged) > 4, 60, "the push")
        disk.remount("ro")
        before = len(ledger.acknowledged)
        assert outside.answers_echo(receiver.port)
        disk.remount("rw")
        outside.wait(lambda: not ledger.left(), 60, "the rest of the push")
        assert process.poll() is None
        assert list((receiver.folder / "inbox" / "tmp").iterdir()) == []
    assert before < len(ledger.files)
    assert receiver.present() == {uid: {digest} for uid, digest in ledger.digests.items()}
