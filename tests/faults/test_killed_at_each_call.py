"""`kill -9` of a receiving process at each kind of system call on the way of an object, from the first byte read to the
answer sent: what was acknowledged is there, whole, and the next process goes on.
"""

from __future__ import annotations

import pytest

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


def check(receiver, ledger, outside, call: str, when: int) -> None:
    with receiver.running() as process, receiver.struck(process, call, f"signal=KILL:when={when}"):
        with outside.pushing(ledger, receiver.port, associations=1):
            outside.wait(lambda: process.poll() is not None, 30, f"the end at {call} number {when}")
        assert process.returncode == -9
    there = receiver.present()
    assert ledger.acknowledged <= set(there) <= ledger.attempted
    with receiver.running():
        assert list((receiver.folder / "inbox" / "tmp").iterdir()) == []
        with outside.pushing(ledger, receiver.port, associations=1):
            outside.wait(lambda: not ledger.left(), 60, "the rest of the push")
    assert receiver.present() == {uid: {digest} for uid, digest in ledger.digests.items()}


@pytest.mark.parametrize(("call", "when"), sorted(SHORT))
def test_killed_between_fsync_and_answer_nothing_that_was_acknowledged_is_lost(
    receiver, make_ledger, outside, call: str, when: int
) -> None:
    check(receiver, make_ledger(4), outside, call, when)


@pytest.mark.faults
@pytest.mark.parametrize(("call", "when"), [each for each in EACH if each not in SHORT])
def test_killed_at_any_other_call_nothing_that_was_acknowledged_is_lost(
    receiver, make_ledger, outside, call: str, when: int
) -> None:
    check(receiver, make_ledger(6), outside, call, when)
