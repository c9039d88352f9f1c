"""The archive hangs, or has no room: what was acknowledged waits, and is there when the archive is well again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


def orthanc_of(installation: Any) -> int:
    (pid,) = (pid for pid, words in installation.processes().items() if "orthanc.json" in words)
    return int(pid)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A small disk for the archive alone; `small_disk("1g")` makes it larger."""
    folder = tmp_path / "data" / "orthanc"
    folder.mkdir(parents=True)

    def mount(*words: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", *words, "tmpfs", folder], check=True, timeout=30)

    mount("-o", "size=12m,mode=0700")
    yield lambda size: mount("-o", f"remount,size={size}")
    subprocess.run(["umount", folder], check=True, timeout=30)


@pytest.mark.parametrize("then", [signal.SIGCONT, signal.SIGKILL], ids=["goes on", "is killed"])
def test_while_the_archive_hangs_everything_is_taken_and_afterwards_it_is_there(
    start_installation, make_ledger, outside, tmp_path, then
) -> None:
    quick = tmp_path / "quick.toml"
    quick.write_text("[archive]\ntimeout = 3.0\n")
    ledger = make_ledger(150)
    with start_installation("--config", str(quick)) as installation:
        with outside.pushing(ledger, installation.dicom):
            outside.wait(lambda: len(ledger.acknowledged) > 40, 60, "the push before the archive hangs")
            hung = orthanc_of(installation)
            os.kill(hung, signal.SIGSTOP)
            try:
                outside.wait(lambda: not ledger.left(), 90, "the whole push while the archive hangs")
                assert outside.answers_echo(installation.dicom)
                assert installation.api("GET", "/health")[0] == 200
            finally:
                os.kill(hung, then)
        outside.keeps_its_promise(installation, ledger)


def test_an_archive_without_room_loses_nothing_and_goes_on_when_there_is_room(
    small_disk, start_installation, make_ledger, outside
) -> None:
    ledger = make_ledger(150, side=256)
    with start_installation() as installation:
        with outside.pushing(ledger, installation.dicom):
            outside.wait(lambda: not ledger.left(), 120, "the whole push")
        outside.wait(lambda: free_for_archive(installation) < 1 << 20, 60, "a full archive")
        assert list((installation.data / "inbox" / "new").iterdir()), "more than the archive has room for waits"
        assert outside.answers_echo(installation.dicom)
        small_disk("1g")
        outside.keeps_its_promise(installation, ledger)


def free_for_archive(installation: Any) -> int:
    return shutil.disk_usage(installation.data / "orthanc").free
