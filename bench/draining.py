"""A backlog on its way into the archive, against Orthanc's own REST with as many connections and the same files."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import urllib3

from bench.dcmtk import send
from bench.footprint import look
from bench.images import Study
from bench.metrics import ORTHANC, OVERREAD
from bench.notebook import NotMeasured
from bench.orthanc_alone import orthanc_alone
from bench.programs import wait_for
from bench.scene import Scene

CONNECTIONS = 4  # what Orthanc takes by REST with so many is the measure


def measure_draining(scene: Scene, turn: int) -> None:
    """One study each way, each into an archive that does not have it; the order changes with each round."""
    study = scene.new_ct()
    ways = (_drained, _posted)
    for way in ways[:: -1 if turn % 2 else 1]:
        way(scene, study)


def _drained(scene: Scene, study: Study) -> None:
    """The worker is held until everything waits, so that it is the whole study that is drained."""
    waiting = scene.overread.data / "inbox" / "new"
    with _worker_held(scene.overread.pid):
        send(scene.overread.receiver, study.files, CONNECTIONS)
        count = sum(1 for _ in waiting.iterdir())
    begun = time.perf_counter()
    wait_for(lambda: not any(waiting.iterdir()), 120, "The inbox being emptied", 0.01)
    scene.notes.note("drain", OVERREAD, count / (time.perf_counter() - begun))
    scene.overread.wait_for_case(study.study_uid)


@contextmanager
def _worker_held(root: int) -> Iterator[None]:
    worker = next(pid for pid, seen in look(root).items() if seen.name == "worker")
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def _posted(scene: Scene, study: Study) -> None:
    with (
        orthanc_alone(scene.folder / f"rest-{study.series_uid}") as orthanc,
        urllib3.HTTPConnectionPool("127.0.0.1", orthanc.http, maxsize=CONNECTIONS, block=True) as http,
        ThreadPoolExecutor(CONNECTIONS) as pool,
    ):
        begun = time.perf_counter()
        for status in pool.map(lambda file: _post(http, file), study.files):
            if status != HTTPStatus.OK:
                raise NotMeasured(f"POST /instances: {status}")
        scene.notes.note("drain", ORTHANC, len(study.files) / (time.perf_counter() - begun))


def _post(http: urllib3.HTTPConnectionPool, file: Path) -> int:
    return http.request("POST", "/instances", body=file.read_bytes()).status
