"""A READY study opened as OHIF does it, after a restart: with the read cache that is there, and without any.

Orthanc is warm: it has just answered the same.
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


def measure_opening_warm(scene: Scene, study: Study) -> None:
    """Both get the study, ours until it is READY. Orthanc's time, when it has everything in memory."""
    for subject in (OVERREAD, ORTHANC):
        send(scene.receiver(subject), study.files)
    scene.overread.wait_for_case(study.study_uid)
    (server,) = (one for one in scene.web() if one.name == ORTHANC)
    taken = [_open(server, study) for _ in range(WARM)]
    for metric in ("open-again", "open-cold"):
        scene.notes.note(metric, ORTHANC, min(taken))


def measure_opening_again(scene: Scene, study: Study) -> None:
    """Ours after a restart; once more without the read cache. Nothing else of this installation runs."""
    for metric in ("open-again", "open-cold"):
        if metric == "open-cold":
            shutil.rmtree(scene.overread.data / "cache")
        with overread_up(scene.overread.data, scene.folder / "overread.log") as again:
            scene.notes.note("start-again", OVERREAD, again.start_seconds)
            root = f"/dicom-web/cases/{again.case_of(study.study_uid)}"  # below which our pages open the viewer
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
