"""Somebody writes into the files of the inbox while everything runs: what they touched is shown, the rest goes on."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

SEED = random.SystemRandom().randrange(1 << 16)


class Vandal(threading.Thread):
    """Changes, cuts or empties waiting entries, until it is told to stop; `touched` are their names."""

    def __init__(self, new: Path, most: int) -> None:
        super().__init__()
        self._new, self._most, self._chance = new, most, random.Random(SEED)
        self.touched: set[str] = set()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.05):
            names = [each.name for each in self._new.iterdir() if each.name not in self.touched]
            if names and len(self.touched) < self._most:
                with suppress(FileNotFoundError):
                    self._touch(self._chance.choice(names))

    def _touch(self, name: str) -> None:
        with (self._new / name).open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            self.touched.add(name)
            if self._chance.random() < 0.3:
                file.truncate(self._chance.randrange(size))
            else:
                file.seek(self._chance.randrange(size - 64))
                file.write(self._chance.randbytes(64))

    def stop(self) -> None:
        self._over.set()
        self.join()


def shown(installation) -> set[str]:
    with closing(sqlite3.connect(installation.data / "overread.db")) as database:
        return {key for (key,) in database.execute("SELECT key FROM trouble")}


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_files_that_are_changed_while_everything_runs_are_shown_and_stop_nothing(
    fresh_installation, make_ledger, outside
) -> None:
    print(f"seed {SEED}")
    installation, ledger = fresh_installation, make_ledger(300)
    new = installation.data / "inbox" / "new"
    vandal = Vandal(new, 25)
    vandal.start()
    try:
        with outside.pushing(ledger, installation.dicom, associations=3):
            outside.wait(lambda: not ledger.left(), 240, "the whole push")
    finally:
        vandal.stop()
    outside.wait(lambda: not list(new.iterdir()), 120, "an empty inbox")
    present = outside.in_archive(installation, ledger)
    lost = ledger.acknowledged - set(present)
    outside.wait(lambda: len(shown(installation)) == len(lost), 60, "that everything is shown")
    assert present == {uid: ledger.digests[uid] for uid in present}, "something is not as it was sent"
    assert shown(installation) <= vandal.touched
    assert outside.answers_echo(installation.dicom)
    assert installation.api("GET", "/health")[0] == 200
