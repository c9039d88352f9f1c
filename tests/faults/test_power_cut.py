"""The power goes in the middle of a push: what was acknowledged is in Orthanc afterwards, by itself.

The data folder lies on an ext4 of its own, which is shut down as by a power cut (nothing that was not synchronised
reaches it), then mounted again, as after the power came back.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import contextmanager, suppress
from typing import Any

import pytest

SEED = random.SystemRandom().randrange(1 << 16)


@contextmanager
def until_killed(starting: Any) -> Any:
    """An installation that ends without any warning."""
    with pytest.raises(AssertionError, match="ended with -9"), starting as installation:
        yield installation


def end_all(installation: Any, wait_for: Any) -> None:
    """End every process of it at once; the supervisor first, so that it starts none again."""
    installation.process.kill()
    installation.process.wait()
    for pid in installation.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not installation.processes(), 20, "the end of every process")


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("journal", [False, True], ids=["nothing is flushed", "the journal is flushed"])
def test_what_was_acknowledged_survives_a_power_cut(
    start_installation, disk, make_ledger, outside, journal: bool
) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    ledger = make_ledger(600)
    http = dicom = 0
    for cut in range(1, 4):
        with until_killed(start_installation(http=http, dicom=dicom)) as installation:
            http, dicom = installation.http, installation.dicom
            if cut > 1:
                outside.keeps_its_promise(installation, ledger)
            enough = len(ledger.acknowledged) + chance.randrange(20, 170)
            with outside.pushing(ledger, dicom, associations=3):
                outside.wait(
                    lambda enough=enough: len(ledger.acknowledged) >= enough, 120, f"the push before cut {cut}"
                )
                disk.cut_the_power(journal=journal)
                end_all(installation, outside.wait)
            disk.unmount()
            disk.mount()
    with start_installation(http=http, dicom=dicom) as installation:
        outside.keeps_its_promise(installation, ledger)
        with outside.pushing(ledger, dicom):
            outside.wait(lambda: not ledger.left(), 180, "the rest of the push")
        outside.keeps_its_promise(installation, ledger)
        assert len(ledger.acknowledged) == len(ledger.files)


def test_what_a_receiver_acknowledged_survives_a_power_cut(disk, receiver, make_ledger, outside) -> None:
    """The short one: the receiver alone."""
    ledger = make_ledger(60)
    with receiver.running() as process, outside.pushing(ledger, receiver.port):
        outside.wait(lambda: len(ledger.acknowledged) > 15, 60, "the push before the cut")
        disk.cut_the_power(journal=False)
        process.kill()
        process.wait()
    disk.unmount()
    disk.mount()
    assert ledger.acknowledged <= set(receiver.present()) <= ledger.attempted
    with receiver.running(), outside.pushing(ledger, receiver.port):
        outside.wait(lambda: not ledger.left(), 60, "the rest of the push")
    assert receiver.present() == {uid: {digest} for uid, digest in ledger.digests.items()}
    assert list((receiver.folder / "inbox" / "tmp").iterdir()) == []
