"""A READY study opened as OHIF does it, after a restart: with the read cache that is there, and without any.

Each once below the root of its case, which our pages open, and, after another restart, below the plain root. Orthanc is
warm: it has just answered the same.
"""

from __future__ import annotations

import http.client
import shutil
import time

from bench.dcmtk import send
from bench.images import Study
from bench.load import Server
from bench.metrics import ORTHANC, OVERREAD
from bench.notebook import NotMeasured
from bench.overread import overread_up
from bench.reading import FRAME, JSON
from bench.scene import Scene

WARM = 3
METRICS = {(False, True): "open-again", (False, False): "open-again-plain",
           (True, True): "open-cold", (True, False): "open-cold-plain"}  # fmt: skip
"""By whether the read cache is lost, and whether it is below the case's root."""


def measure_opening_warm(scene: Scene, study: Study) -> None:
    """Both get the study, ours until it is READY. Orthanc's time, when it has everything in memory."""
    for subject in (OVERREAD, ORTHANC):
        send(scene.receiver(subject), study.files)
    scene.overread.wait_for_case(study.study_uid)
    (server,) = (one for one in scene.web() if one.name == ORTHANC)
    taken = [_open(server, study) for _ in range(WARM)]
    for metric in METRICS.values():
        scene.notes.note(metric, ORTHANC, min(taken))


def measure_opening_again(scene: Scene, study: Study) -> None:
    """Ours after a restart for each. Nothing else of this installation runs."""
    for (is_lost, of_case), metric in METRICS.items():
        if is_lost:
            shutil.rmtree(scene.overread.data / "cache")
        with overread_up(scene.overread.data, scene.folder / "overread.log") as again:
            scene.notes.note("start-again", OVERREAD, again.start_seconds)
            case_id = again.case_of(study.study_uid)  # as the worklist does, from which people come
            root = f"/dicom-web/cases/{case_id}" if of_case else "/dicom-web"
            server = Server(OVERREAD, again.pid, again.http, root, again.bearer())
            scene.notes.note(metric, OVERREAD, _open(server, study))


def _open(server: Server, study: Study) -> float:
    """The ms until the first image can be drawn: the study, its series, their metadata, a frame of the middle."""
    frames = study.frames()
    asked = (
        (f"/studies?StudyInstanceUID={study.study_uid}", JSON),
        (f"/studies/{study.study_uid}/series", JSON),
        (f"{study.path}/metadata", JSON),
        (frames[len(frames) // 2], FRAME),
    )
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    begun = time.perf_counter()
    for path, headers in asked:
        connection.request("GET", server.root + path, headers=headers | server.headers)
        answer = connection.getresponse()
        size = len(answer.read())
        if answer.status != http.HTTPStatus.OK or size < len("[{}]"):
            raise NotMeasured(f"{server.name} answered {answer.status} to {path}, {size} bytes")
    taken = time.perf_counter() - begun
    connection.close()
    return 1000 * taken
