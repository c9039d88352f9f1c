"""C-STORE to Overread, to Orthanc and to storescp in turn, and how long until the study is on the worklist."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from bench.dcmtk import Receiver, receiving, send
from bench.images import Study
from bench.metrics import ORTHANC, OVERREAD, STORESCP
from bench.overread import QUIET_SECONDS
from bench.scene import Scene

ASSOCIATIONS = (1, 4)


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
    seconds = send(receiver, study.files, associations)
    scene.notes.note(f"store-{associations}", subject, len(study.files) / seconds)
    scene.notes.note(f"store-{associations}-mb", subject, study.megabytes / seconds)
