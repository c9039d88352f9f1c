"""C-STORE to Overread, to Orthanc and to storescp in turn, and how long until the study is on the worklist."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from statistics import quantiles

from bench.dcmtk import HOSPITAL, Receiver, receiving, send
from bench.footprint import look
from bench.images import Study
from bench.metrics import ORTHANC, OVERREAD, STORESCP
from bench.notebook import NotMeasured
from bench.overread import QUIET_SECONDS
from bench.scene import Scene

ASSOCIATIONS = (1, 4)
ANSWERS = 200


def measure_storing(scene: Scene, turn: int) -> list[Study]:
    """One round; the order of the receivers changes with each, and each waits until the one before is at rest.

    Returns the studies that both servers have now.
    """
    studies = []
    for associations in ASSOCIATIONS:
        study = scene.new_ct()
        for subject in _in_turn(turn):
            what = f"C-STORE to {subject} over {associations}"
            scene.notes.attempt(what, partial(_store, scene, subject, study, associations))
        studies.append(study)
    return studies


def measure_answering(scene: Scene, turn: int) -> None:
    """How long each object of one association waits for its answer, the receiver being busy with nothing else."""
    study = scene.new_ct()
    for subject in _in_turn(turn):
        scene.notes.attempt(f"Answers of {subject}", partial(_answering, scene, subject, study))


def _answering(scene: Scene, subject: str, study: Study) -> None:
    if subject == STORESCP:
        with receiving(scene.folder / "received", "STORESCP") as receiver:
            _note_answers(scene, subject, receiver, study)
        return
    _note_answers(scene, subject, scene.receiver(subject), study)
    if subject == OVERREAD:
        scene.overread.wait_for_case(study.study_uid)


def _note_answers(scene: Scene, subject: str, receiver: Receiver, study: Study) -> None:
    argv = (sys.executable, "-m", "bench.sender", str(receiver.port), receiver.ae_title, HOSPITAL)
    files = "\n".join(map(str, study.files[:ANSWERS]))
    done = subprocess.run(argv, input=files, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise NotMeasured(done.stderr.strip()[-300:])
    hundredths = quantiles(json.loads(done.stdout), n=100)
    scene.notes.note("answer-p50", subject, 1000 * hundredths[49])
    scene.notes.note("answer-p99", subject, 1000 * hundredths[98])


def _in_turn(turn: int) -> Iterator[str]:
    subjects = (OVERREAD, ORTHANC, STORESCP)
    for place in range(len(subjects)):
        yield subjects[(turn + place) % len(subjects)]


def _store(scene: Scene, subject: str, study: Study, associations: int) -> None:
    if subject == STORESCP:
        with receiving(scene.folder / "received", "STORESCP") as receiver:
            _timed(scene, subject, receiver, study, associations)
        return
    _timed(scene, subject, scene.receiver(subject), study, associations)
    if subject == OVERREAD:
        sent = time.perf_counter()
        scene.overread.wait_for_case(study.study_uid)
        scene.notes.note(f"worklist-{associations}", subject, time.perf_counter() - sent - QUIET_SECONDS)


def _timed(scene: Scene, subject: str, receiver: Receiver, study: Study, associations: int) -> None:
    before = _receiving_seconds(scene, subject)
    seconds = send(receiver, study.files, associations)
    count = len(study.files)
    scene.notes.note(f"store-{associations}", subject, count / seconds)
    scene.notes.note(f"store-{associations}-mb", subject, study.megabytes / seconds)
    if subject != STORESCP:  # its processes are gone by now
        taken = _receiving_seconds(scene, subject) - before
        scene.notes.note(f"store-{associations}-cpu", subject, 1000 * taken / count)


def _receiving_seconds(scene: Scene, subject: str) -> float:
    """CPU time so far of the receiving processes; Orthanc has one for everything."""
    if subject == ORTHANC:
        return sum(seen.cpu_seconds for seen in look(scene.orthanc.pid).values())
    return sum(seen.cpu_seconds for seen in look(scene.overread.pid).values() if seen.name.startswith("receiver"))
