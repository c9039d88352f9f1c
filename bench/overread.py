"""An installation of Overread with its demo people, and a hospital of the benchmark's own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.dcmtk import HOSPITAL, Receiver
from bench.notebook import NotMeasured
from bench.programs import call, environment, free_port, running

READER = "reader@demo.example"
QUIET_SECONDS = 5.0  # what --demo sets
START_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Installation:
    """A running one. `start_seconds`: from the command to its line `ready`."""

    data: Path
    http: int
    dicom: int
    pid: int
    start_seconds: float

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.http}"

    @property
    def receiver(self) -> Receiver:
        """Where it takes C-STORE."""
        return Receiver("OVERREAD", self.dicom)

    def bearer(self, email: str = READER) -> dict[str, str]:
        """The header that acts as this person."""
        return {"Authorization": f"Bearer {_token(self.data, email)}"}

    def api(self, method: str, path: str, body: object = None) -> Any:
        """One request to the JSON API as the reader."""
        return call(f"{self.url}/api/v1{path}", method, self.bearer(), body)

    def case_of(self, study_uid: str) -> int | None:
        """The READY case of a study on the reader's worklist."""
        ready = self.api("GET", "/cases?state=READY")["cases"]
        return next((case["id"] for case in ready if study_uid in case["study_uids"]), None)

    def wait_for_case(self, study_uid: str, seconds: float = 120) -> int:
        """Poll the worklist until the study's case is on it."""
        end = time.monotonic() + seconds
        while (case_id := self.case_of(study_uid)) is None:
            if time.monotonic() > end:
                raise NotMeasured(f"The case of a study was not on the worklist within {seconds:.0f} s")
            time.sleep(0.02)
        return case_id

    def add_hospital(self, reports_to: int) -> None:
        """The benchmark's own hospital, whose storescp listens on this port."""
        command(self.data, "site", "add", "BENCH_HOSPITAL", "--name", "Benchmark Hospital", "--sends-from", HOSPITAL,
                "--receives-on", f"{HOSPITAL}@127.0.0.1:{reports_to}", "--proof", "status")  # fmt: skip


@contextmanager
def overread_up(data: Path, log: Path) -> Iterator[Installation]:
    """Run `overread up --demo` for as long as the block lasts."""
    http, dicom = free_port(), free_port()
    argv = (sys.executable, "-m", "gateway", "up", "--data", str(data), "--demo", "--http", str(http),
            "--dicom", str(dicom))  # fmt: skip
    begun = time.perf_counter()
    with running(argv, log) as process:
        patience = threading.Timer(START_PATIENCE, process.kill)
        patience.start()
        assert process.stdout
        line = process.stdout.readline().decode()
        patience.cancel()
        if not line.startswith("ready "):
            raise NotMeasured(f"`overread up` did not become ready: {log.read_text(errors='replace')[-500:]}")
        yield Installation(data, http, dicom, process.pid, time.perf_counter() - begun)


def command(data: Path, *words: str) -> str:
    """Run one `overread` command about an installation. Raises NotMeasured if it fails."""
    argv = (sys.executable, "-m", "gateway", *words, "--data", str(data))
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise NotMeasured(f"overread {words[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


@cache
def _token(data: Path, email: str) -> str:
    return command(data, "token", email)
