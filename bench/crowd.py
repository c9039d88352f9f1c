"""Memory of the web processes while a crowd uses them: people who page through a study, and programs that store."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median

from bench.footprint import look
from bench.images import Study, ct_template
from bench.load import Asking, ask
from bench.metrics import OVERREAD
from bench.notebook import NotMeasured
from bench.reading import FRAME
from bench.scene import Scene
from bench.searches import SEARCH

PEOPLE, PROGRAMS = 20, 5
SENDER = "hospital@demo.example"
SLICES = 40  # of one request, 21 MB
SAMPLE_SECONDS = 0.5
STORE = {"Content-Type": 'multipart/related; type="application/dicom"; boundary="bench"', "Accept": "*/*"}


@dataclass(slots=True)
class _Crowd:
    """What goes on until `over`: megabytes seen, instances stored."""

    scene: Scene
    over: threading.Event = field(default_factory=threading.Event)
    seen: list[float] = field(default_factory=list)
    stored: int = 0

    def watch(self) -> None:
        """Look at the web processes again and again."""
        while not self.over.wait(SAMPLE_SECONDS):
            found = look(self.scene.overread.pid).values()
            self.seen.append(sum(one.resident_mb for one in found if one.name.endswith("web")))

    def store(self, headers: dict[str, str]) -> None:
        """Store fresh studies, one request for each, over a connection of its own."""
        template = ct_template(SLICES)
        connection = http.client.HTTPConnection("127.0.0.1", self.scene.overread.http, timeout=120)
        while not self.over.is_set():
            study = template.write(self.scene.folder / "sent")
            connection.request("POST", "/dicom-web/studies", _body(study), STORE | headers, encode_chunked=True)
            answer = connection.getresponse()
            answer.read()
            for file in study.files:
                file.unlink()
            if answer.status != http.HTTPStatus.OK:
                raise NotMeasured(f"STOW-RS answered {answer.status}")
            self.stored += len(study.files)
        connection.close()


def measure_crowd(scene: Scene, study: Study) -> None:
    """The most that the web processes took, and how much more at the end than in the middle."""
    crowd = _Crowd(scene)
    sender = scene.overread.bearer(SENDER)
    with ThreadPoolExecutor(PROGRAMS + 1) as pool:
        work = [pool.submit(crowd.watch), *(pool.submit(crowd.store, sender) for _ in range(PROGRAMS))]
        try:
            asked = ask(_paging(scene, study), PEOPLE)
        finally:
            crowd.over.set()
        for one in work:
            one.result()
    third = len(crowd.seen) // 3
    if not third:
        raise NotMeasured("The crowd was gone before anybody had looked")
    scene.notes.note("crowd-peak", OVERREAD, max(crowd.seen))
    scene.notes.note("crowd-growth", OVERREAD, median(crowd.seen[-third:]) - median(crowd.seen[third : 2 * third]))
    scene.notes.note("crowd-asked", OVERREAD, asked.per_second)
    scene.notes.note("crowd-stored", OVERREAD, crowd.stored / scene.plan.crowd_seconds)


def _paging(scene: Scene, study: Study) -> Asking:
    """One search and the metadata for twenty frames, as somebody asks who opens studies and scrolls."""
    frames = study.frames()
    paths = [
        path for at in range(0, len(frames), 20) for path in (SEARCH, f"{study.path}/metadata", *frames[at : at + 20])
    ]
    headers = FRAME | {"Accept": "*/*", "Accept-Encoding": "gzip"} | scene.overread.bearer()
    return Asking(
        port=scene.overread.http,
        paths=["/dicom-web" + path for path in paths],
        headers=headers,
        seconds=scene.plan.crowd_seconds,
    )


def _body(study: Study) -> Iterator[bytes]:
    for file in study.files:
        yield b"--bench\r\nContent-Type: application/dicom\r\n\r\n"
        yield file.read_bytes()
        yield b"\r\n"
    yield b"--bench--\r\n"
