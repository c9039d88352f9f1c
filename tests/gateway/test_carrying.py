"""While objects come in, the machine is the receivers'; but nothing waits for long."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from pydicom import dcmread

from gateway import carrying
from gateway.carrying import Carrying
from gateway.health import INGEST, Health
from gateway.loops import FORGETS, in_plain_words
from orthanc.archive import Archive
from orthanc.errors import ArchiveForgets
from scp.inbox import Inbox
from worklist.models import Pulse, now

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def worker(world) -> Carrying:
    return Carrying(world.inbox, world.ingest, world.proving, world.ingest.grace)


def carry(worker: Carrying) -> None:
    while worker.step():
        pass


def test_what_comes_right_now_waits_until_nothing_comes_any_more(world, worker, make, monkeypatch) -> None:
    monkeypatch.setattr(carrying, "GAP", 3600.0)
    monkeypatch.setattr(carrying, "PATIENCE", timedelta(days=1))
    world.receive(make())
    carry(worker)
    assert world.waiting() == 1
    assert worker.soonest() <= carrying.GAP, "it looks again by itself"
    monkeypatch.setattr(carrying, "GAP", 0.0)
    carry(worker)
    assert (world.waiting(), len(world.instances())) == (0, 1)


def test_nothing_waits_longer_than_its_patience_however_much_comes(world, worker, make, monkeypatch) -> None:
    monkeypatch.setattr(carrying, "GAP", 3600.0)
    monkeypatch.setattr(carrying, "PATIENCE", timedelta(0))
    world.receive(make())
    carry(worker)
    assert world.waiting() == 0


def test_a_clock_that_was_set_back_holds_nothing_up(world, worker, make, monkeypatch) -> None:
    world.receive(make())
    later = carrying.now() - timedelta(hours=1)
    monkeypatch.setattr(carrying, "now", lambda: later)
    carry(worker)
    assert world.waiting() == 0


def test_an_inbox_that_is_empty_costs_nothing_until_somebody_puts_something(world, worker, make) -> None:
    carry(worker)
    assert worker.soonest() == math.inf
    world.receive(make())
    assert worker.soonest() < 1


def test_another_worker_takes_over_when_the_first_is_gone(world, worker, make, monkeypatch) -> None:
    monkeypatch.setattr(carrying, "GAP", 0.0)
    world.receive(make())
    with Inbox(world.folders.inbox).lock():
        assert not worker.step()
        assert worker.soonest() == carrying.TAKE_OVER
    carry(worker)
    assert world.waiting() == 0


class Liar(BaseHTTPRequestHandler):
    """An archive that says yes to whatever it is sent, and has nothing. `posts` counts what it was sent."""

    posts = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Liar.posts += 1
        self._say(200, {"ID": "-".join(["0" * 8] * 5), "Status": "Success"})

    def do_GET(self) -> None:
        self._say(200 if self.path.startswith("/changes") else 404, {"Last": 1})

    def _say(self, status: int, said: dict[str, object]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def lied_to(world, worker) -> Iterator[tuple[Carrying, Callable[[], None]]]:
    """The worker in front of such an archive, and how it gets the true one back."""
    Liar.posts, honest = 0, world.archive
    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        liar = Archive(f"http://127.0.0.1:{server.server_port}", "overread", "x", timeout=5)

        def ask(archive: Archive) -> None:
            world.ingest.archive = world.proving.archive = world.ingest.grace.archive = archive

        ask(liar)
        yield worker, lambda: ask(honest)
        liar.close()
        server.shutdown()


def forgets(worker: Carrying) -> float:
    """Let it carry until it notices; how long the pause is that begins then."""
    worker.distrust._until = 0.0
    with pytest.raises(ArchiveForgets):
        carry(worker)
    return worker.distrust._until - time.monotonic()


def test_an_archive_that_has_nothing_of_what_it_said_is_sent_it_after_growing_pauses(
    world, lied_to, make, monkeypatch
) -> None:
    """It was sent the same object again without a pause, and /health said that all was well."""
    worker, to_the_honest_one = lied_to
    monkeypatch.setattr(carrying, "GAP", 0.0)
    world.receive(make())
    pauses = [forgets(worker) for _ in range(4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0]
    sent = Liar.posts
    assert sent < 3 * len(pauses), "in the beginning more than once, since whatever is held is asked for then"
    for _ in range(10):
        with pytest.raises(ArchiveForgets):
            worker.step()
    assert (Liar.posts, world.waiting()) == (sent, 1)
    to_the_honest_one()
    worker.distrust._until = 0.0
    carry(worker)
    assert (world.waiting(), bool(worker.distrust)) == (0, False)
    assert dcmread(BytesIO(world.archive.fetch(world.instances()[0].archive_id))).PatientID


def test_who_is_lied_to_says_so_in_plain_words(web) -> None:
    with web.database.writing() as session:
        session.merge(Pulse(part=INGEST, at=now(), ok=False, detail=in_plain_words(ArchiveForgets("127.0.0.1"))))
    health = Health(web.parts.settings, web.database, web.parts.archive, web.parts.inbox, web.parts.sender)
    said = {one.part: one for one in health.checks()}
    assert (said["archive"].ok, said["archive"].detail) == (False, FORGETS)
    assert (said["ingest"].ok, said["ingest"].vital) == (False, False), "receiving goes on"
