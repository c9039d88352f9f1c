"""`kill -9` of any process at any time, many times, in the middle of a push: nothing is lost, doubled or half."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

import pytest

SEED = random.SystemRandom().randrange(1 << 16)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_kill_9_at_random_loses_nothing(start_installation, make_ledger, outside) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    ledger = make_ledger(500)
    with start_installation() as installation:
        with outside.pushing(ledger, installation.dicom, associations=3):
            for _ in range(15):
                time.sleep(chance.uniform(0.05, 1.5))
                victims = sorted(pid for pid in installation.processes() if pid != installation.process.pid)
                with suppress(ProcessLookupError):  # it ended by itself
                    os.kill(chance.choice(victims), signal.SIGKILL)
            outside.wait(lambda: not ledger.left(), 240, "the end of the push")
        outside.keeps_its_promise(installation, ledger)
        assert len(ledger.acknowledged) == len(ledger.files)
