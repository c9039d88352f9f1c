"""DICOMweb as OHIF asks: metadata of a series, frames, a page of studies.

Overread checks the reader's rights with each request, Orthanc lets everybody in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from bench.footprint import cpu_seconds
from bench.images import Study
from bench.load import Asked, Asking, Server, ask
from bench.many import fill
from bench.metrics import METRICS
from bench.programs import call
from bench.scene import Scene
from bench.searches import SEARCH, one_study, pages_in_turn, studies_in_turn
from config.database import connect
from config.key_file import file_ring_made

JSON = {"Accept": "application/dicom+json", "Accept-Encoding": "gzip"}
FRAME = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}
WARM_UP = 2
BROWSER = 6  # connections of a browser to one host over HTTP/1.1
CT_BYTES, CINE_BYTES = 512 * 512 * 2, 512 * 512


@dataclass(frozen=True, slots=True)
class Question:
    """A rate to be measured, over so many connections; the least bytes of a right answer."""

    metric: str
    paths: list[str]
    headers: dict[str, str]
    connections: int
    least_bytes: int = 2


def measure_first_metadata(scene: Scene, study: Study) -> None:
    """The first question for a series' metadata, which nobody has asked for before."""
    for server in scene.web():
        asked = _ask(scene, server, Question("", [f"{study.path}/metadata"], JSON, 1), most=1, warm_up=0)
        scene.notes.note("metadata-cold", server.name, asked.median_ms)


def measure_reading(scene: Scene, study: Study, cine: Study, turn: int) -> None:
    """One round: each question to both servers, one after the other, the first one changing with each round."""
    _ask_both(scene, _questions(study, cine), turn)


def measure_searching_among_many(scene: Scene, study: Study) -> None:
    """Searches of one person, in our database with very many studies of others; Orthanc has those of the run."""
    data = scene.overread.data
    fill(connect(f"sqlite:///{data / 'overread.db'}"), file_ring_made(data / "keys.json"), scene.plan.others)
    questions = (
        Question("search-many-1", [SEARCH], JSON, 1),
        Question("search-many-6", [SEARCH], JSON, BROWSER),
        Question("search-many-new", pages_in_turn(), JSON, BROWSER),
        Question("search-one", [one_study(study.study_uid)], JSON, BROWSER),
        Question("search-one-new", studies_in_turn(_study_uids(scene)), JSON, BROWSER),
    )
    for turn in range(scene.plan.rounds):
        _ask_both(scene, questions, turn)


def _study_uids(scene: Scene) -> list[str]:
    """Studies that both servers have."""
    found = []
    for server in scene.web():
        headers = server.headers | {"Accept": "application/dicom+json"}
        studies = call(f"http://127.0.0.1:{server.port}{server.root}/studies", headers=headers)
        found.append({one["0020000D"]["Value"][0] for one in studies})
    return sorted(set.intersection(*found))


def _ask_both(scene: Scene, questions: Iterable[Question], turn: int) -> None:
    servers = scene.web() if turn % 2 else scene.web()[::-1]
    for question in questions:
        for server in servers:
            scene.notes.attempt(f"{server.name}, {question.metric}", partial(_rate, scene, server, question))


def _rate(scene: Scene, server: Server, question: Question) -> None:
    """Answers a second, or the median of their times. CPU time tells more where others use the machine too."""
    before = cpu_seconds(server.pid)
    asked = _ask(scene, server, question)
    value = asked.median_ms if METRICS[question.metric].unit == "ms" else asked.per_second
    scene.notes.note(question.metric, server.name, value)
    if (cpu := f"{question.metric}-cpu") in METRICS:
        answers = asked.answers + WARM_UP * question.connections
        scene.notes.note(cpu, server.name, 1000 * (cpu_seconds(server.pid) - before) / answers)


def _questions(study: Study, cine: Study) -> tuple[Question, ...]:
    frames, loop, metadata = study.frames(), cine.cine(), [f"{study.path}/metadata"]
    return (
        Question("metadata-warm", metadata, JSON, 1),
        Question("metadata-rate", metadata, JSON, BROWSER),
        Question("frames-1", frames, FRAME, 1, CT_BYTES),
        Question("frames-6", frames, FRAME, BROWSER, CT_BYTES),
        Question("cine-1", loop, FRAME, 1, CINE_BYTES),
        Question("cine-6", loop, FRAME, BROWSER, CINE_BYTES),
        Question("search-1", [SEARCH], JSON, 1),
        Question("search-6", [SEARCH], JSON, BROWSER),
        Question("search-new", pages_in_turn(), JSON, BROWSER),
    )


def _ask(scene: Scene, server: Server, question: Question, *, most: int = 1_000_000, warm_up: int = WARM_UP) -> Asked:
    asking = Asking(
        port=server.port,
        paths=[server.root + path for path in question.paths],
        headers=question.headers | server.headers,
        seconds=scene.plan.seconds,
        most=most,
        warm_up=warm_up,
        least_bytes=question.least_bytes,
    )
    return ask(asking, question.connections)
