"""`kill -9` of every process in turn, in the middle of a push, loses nothing and doubles nothing."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.peers]

INSTANCES, ASSOCIATIONS, AT_ONCE = 300, 4, 10
STAGE = ASSOCIATIONS * AT_ONCE  # this many are let go before the next process is killed
VICTIMS = ("receiver-1", "receiver-2", "worker", "web", "web's worker", "orthanc", "supervisor")


class Push:
    """Sends one study over several associations, and again whatever was not acknowledged, as a PACS does."""

    def __init__(self, hospital: Any, files: list[Path]) -> None:
        self.hospital = hospital
        self.acknowledged: set[Path] = set()
        self.allowed = 0
        self.given_up = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number, files[number::ASSOCIATIONS]))
            for number in range(ASSOCIATIONS)
        ]

    def __enter__(self) -> "Push":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.given_up.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int, files: list[Path]) -> None:
        while not self.given_up.wait(0.05):
            left = [file for file in files if file not in self.acknowledged]
            if not left:
                return
            if len(files) - len(left) < self.allowed / ASSOCIATIONS:
                self._storescu(left[:AT_ONCE])

    def _storescu(self, files: list[Path]) -> None:
        """One association; storescu sends in the order of its arguments and stops at the first failure."""
        left = iter(files)
        with self.hospital.sending(*files) as said:
            for line in said:
                if "Received Store Response (Success)" in line:
                    self.acknowledged.add(next(left))


@pytest.mark.timeout(600)
def test_kill_9_of_each_process_in_turn_loses_nothing(
    start_installation, add_hospital, make_study, desk, eventually, in_archive
):
    sent = make_study(INSTANCES, size=128)
    with until_killed(start_installation()) as first:
        hospital = add_hospital(first)
        push = Push(hospital, sent.files)
        with push:
            for victim in VICTIMS[:-1]:
                kill_in_the_middle(first, push, victim, eventually)
            push.allowed = INSTANCES
            eventually(lambda: len(push.acknowledged) > STAGE * len(VICTIMS[:-1]) + AT_ONCE, "more of the push")
            first.process.kill()
            first.process.wait()
            eventually(lambda: not first.processes(), "the end of every part after its supervisor")
            with start_installation(http=first.http, dicom=first.dicom) as second:
                eventually(lambda: len(push.acknowledged) == INSTANCES, "the end of the push", 120)
                assert_nothing_is_lost(second, sent, desk(second, "coordinator"), eventually)
                assert in_archive(second, sent.study_uid) == sent.datasets()


@contextmanager
def until_killed(starting: Any) -> Iterator[Any]:
    """An installation whose supervisor the test itself kills."""
    with pytest.raises(AssertionError, match="ended with -9"), starting as installation:
        yield installation


def kill_in_the_middle(installation: Any, push: Push, victim: str, eventually: Callable[..., Any]) -> None:
    before = len(push.acknowledged)
    push.allowed += STAGE
    eventually(lambda: len(push.acknowledged) > before + ASSOCIATIONS, f"the push before the end of {victim}")
    pid = eventually(lambda: find(installation, victim), f"a running {victim}")
    assert pid > 1  # 0 would be ourselves
    os.kill(pid, signal.SIGKILL)
    again = eventually(lambda: another(installation, victim, pid), f"{victim} again", 30)
    assert again != pid
    eventually(lambda: len(push.acknowledged) >= push.allowed, f"the push after the end of {victim}", 90)


def find(installation: Any, part: str) -> int:
    """The process id of a part, or 0."""
    web = [pid for pid, words in installation.processes().items() if "--part web" in words]
    found = {
        "web": [pid for pid in web if parent(pid) == installation.process.pid],
        "web's worker": [pid for pid in web if parent(pid) in web],
        "orthanc": [pid for pid, words in installation.processes().items() if "orthanc.json" in words],
    }
    named = [pid for pid, words in installation.processes().items() if f"--part {part} " in words]
    return next(iter(found.get(part, named)), 0)


def another(installation: Any, part: str, old: int) -> int:
    pid = find(installation, part)
    return pid if pid != old else 0


def parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def assert_nothing_is_lost(installation: Any, sent: Any, coordinator: Any, eventually: Callable[..., Any]) -> None:
    """Every instance has one row, they make one case, and nothing waits for anybody."""
    eventually(lambda: not list((installation.data / "inbox" / "new").iterdir()), "an empty inbox", 90)
    case = coordinator.wait_ready(sent.study_uid)
    assert len(coordinator.cases_of(sent.study_uid)) == 1
    (study,) = coordinator.get(f"/cases/{case['id']}")["studies"]
    assert [series["instances"] for series in study["series"]] == [INSTANCES]
    token = installation.token(coordinator.email)
    listed = installation.api("GET", f"/dicom-web/studies/{sent.study_uid}/instances?limit=1000", token)[1]
    assert sorted(each["00080018"]["Value"][0] for each in listed) == sorted(sent.datasets())
    assert list((installation.data / "quarantine").iterdir()) == []
    assert list((installation.data / "inbox" / "damaged").iterdir()) == []
    eventually(lambda: list((installation.data / "inbox" / "tmp").iterdir()) == [], "no unfinished files")
    assert installation.api("GET", "/health")[0] == 200
