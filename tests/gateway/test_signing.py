"""A signature: made first, frozen in a moment, and only for what the reader has seen."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.content import content_of
from gateway.signing import Signing, build_pdf
from orthanc.cache import CachedInstance, ReadCache
from worklist import lifecycle
from worklist.cases import save_draft
from worklist.lifecycle import NotAllowed
from worklist.models import Case, Report, Site, now
from worklist.seen import Seen, Unseen
from worklist.states import CaseState

pytestmark = pytest.mark.peers
ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SAID = {"findings": "f", "impression": "Written at the last moment.", "concordance": "not_provided"}


class TellingCache(ReadCache):
    """A cache that tells when it is asked; what it does not have, it fetches from the archive as any other."""

    asked = threading.Event()

    def get(self, sha256: str, archive_id: str) -> CachedInstance:
        self.asked.set()
        return super().get(sha256, archive_id)


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """A process that is there and does nothing."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@ONE_ENGINE
def test_a_signature_that_waits_for_the_archive_keeps_nobody_else_from_writing(
    fragile_world: Any, own_archive_server: Any, people: Any, tmp_path: Path
) -> None:
    """The header was fetched within the transaction: on SQLite everybody else waited for it, and got 503."""
    world, reader = fragile_world, people.reader()
    case_id = world.held_case(reader, people.site())
    cache = TellingCache(tmp_path / "empty", 1 << 30, world.archive)
    with ThreadPoolExecutor(1) as pool:
        with stopped(own_archive_server.process):
            signing = pool.submit(Signing(world.database, cache).sign, reader, case_id, Seen())
            assert cache.asked.wait(60)
            with world.database.writing() as session:
                session.add(Site(code="MEANWHILE", name="Written meanwhile"))
            assert not signing.done()
        signing.result()
    cache.close()
    assert case_of(world, case_id).state is CaseState.SIGNED


def case_of(world: Any, case_id: int) -> Case:
    with world.database.reading() as session:
        return session.get_one(Case, case_id)


def do_while_made(monkeypatch: pytest.MonkeyPatch, *changes: Callable[[], object]) -> None:
    """Let another process's change happen each time that the report has just been made."""
    left = list(changes)

    def build_then_change(content: Any, *, sr: bytes) -> bytes:
        made = build_pdf(content, sr=sr)
        if left:
            left.pop(0)()
        return made

    monkeypatch.setattr("gateway.signing.build_pdf", build_then_change)


def save(world: Any, case_id: int, reader: Any) -> None:
    with world.database.writing() as session:
        save_draft(session, session.get_one(Case, case_id), reader, SAID)


def test_text_that_is_saved_while_the_report_is_made_is_in_it(world: Any, people: Any, monkeypatch: Any) -> None:
    reader = people.reader()
    case_id = world.held_case(reader, people.site(), draft_at=now())
    do_while_made(monkeypatch, lambda: save(world, case_id, reader))
    report_id = world.sign(reader, case_id)
    with world.database.reading() as session:
        report = session.get_one(Report, report_id)
        assert content_of(report).opinion.impression == SAID["impression"]
        assert report.signed_at == case_of(world, case_id).signed_at


@ONE_ENGINE
def test_a_case_that_keeps_changing_is_not_signed(world: Any, people: Any, monkeypatch: Any) -> None:
    reader = people.reader()
    case_id = world.held_case(reader, people.site())
    do_while_made(monkeypatch, *[lambda: save(world, case_id, reader)] * 2)
    with pytest.raises(Unseen, match="kept changing"):
        world.sign(reader, case_id)
    assert case_of(world, case_id).state is CaseState.CLAIMED


@ONE_ENGINE
def test_a_case_that_is_taken_from_the_reader_while_the_report_is_made_is_not_signed(
    world: Any, people: Any, monkeypatch: Any
) -> None:
    reader = people.reader()
    case_id = world.held_case(reader, people.site())
    do_while_made(monkeypatch, lambda: world.release(case_id))
    with pytest.raises(NotAllowed):
        world.sign(reader, case_id)
    assert case_of(world, case_id).state is CaseState.READY


def test_an_image_that_comes_while_the_report_is_made_is_not_signed_over(
    world: Any, people: Any, monkeypatch: Any
) -> None:
    reader, site = people.reader(), people.site()
    case_id = world.held_case(reader, site)
    world.release(case_id)
    with world.database.writing() as session:
        lifecycle.claim(session, session.get_one(Case, case_id), reader)
    late = world.make(StudyInstanceUID=world.studies()[0].study_uid)

    def arrive() -> None:
        world.receive(late, f"site:{site}")
        world.carry()

    do_while_made(monkeypatch, arrive)
    with pytest.raises(Unseen, match="1 image was added") as refused:
        world.sign(reader, case_id)
    assert refused.value.members == {"images_added": 1, "images_replaced": 0, "images_version": 2}
    assert case_of(world, case_id).state is CaseState.CLAIMED
