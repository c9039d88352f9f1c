"""A signed opinion becomes SR and PDF in the archive and at the hospital, the same on every try, until proven."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import select

from gateway.delivery import Delivering, _prove
from gateway.keeping import Keeping
from gateway.sites import Receiver, put_site
from gateway.ways import ways_of
from gateway.worker import ALONE
from gateway.worker import _loops as worker_loops
from scp.sender import Sender
from worklist.access import Sight, sees_study
from worklist.models import Case, Delivery, Instance, Report, ReportFile, Series, Site, Study, now
from worklist.routes import Invalid
from worklist.states import CaseState, DeliveryState, ReportState

ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TITLE = "HOSPITAL"


@pytest.fixture
def signed(world, people):
    """`signed(receivers)`: a case of a new site with these receivers (AE@host:port), signed; the ids of both."""

    def make(*receivers: str, proof: str = "status", **values) -> tuple[int, int]:
        site_id, reader = people.site(), people.reader()
        with world.database.writing() as session:
            code = session.get_one(Site, site_id).code
            put_site(session, code, "A Hospital", [], [Receiver.parse(each, proof) for each in receivers])
        case_id = world.held_case(reader, site_id, **values)
        return case_id, world.sign(reader, case_id)

    return make


@pytest.fixture
def storescp(tmp_path: Path, free_port, wait_for):
    """`with storescp(port) as folder:` a real DCMTK storescp that keeps what it gets in a folder."""

    @contextmanager
    def run(port: int, *options: str):
        folder = tmp_path / f"pacs-{port}"
        folder.mkdir(exist_ok=True)
        program = shutil.which("storescp")
        assert program, "storescp is missing: install dcmtk"
        process = subprocess.Popen(
            [program, "-od", folder, "--fork", "-aet", TITLE, *options, str(port)],
            env={"TCP_NODELAY": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(lambda: answers(world_sender(), port))
            yield folder
        finally:
            process.terminate()
            process.wait(10)

    return run


def world_sender() -> Sender:
    return Sender("OVERREAD", 10.0)


def answers(sender: Sender, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def delivering(world, timeout: float = 10.0) -> Delivering:
    ways = replace(ways_of(world.settings), sender=Sender("OVERREAD", timeout))
    return Delivering(world.database, ways, world.due_deliveries())


def deliveries(world) -> list[Delivery]:
    with world.database.reading() as session:
        return session.query(Delivery).order_by(Delivery.id).all()


def state_of(world, case_id: int) -> CaseState:
    with world.database.reading() as session:
        return session.get_one(Case, case_id).state


def files_of(world, report_id: int) -> dict[str, bytes]:
    with world.database.reading() as session:
        return {each.kind: each.content for each in session.query(ReportFile).filter_by(report_id=report_id)}


def test_signing_writes_the_report_and_where_it_must_go_in_one_transaction(world, signed) -> None:
    case_id, report_id = signed(f"{TITLE}@127.0.0.1:11190", "OTHER@127.0.0.1:11191")
    with world.database.reading() as session:
        report = session.get_one(Report, report_id)
        assert (report.case_id, report.version, report.state) == (case_id, 1, ReportState.SIGNED)
        uids = {report.sr_uid, report.sr_series_uid, report.pdf_uid, report.pdf_series_uid}
        assert len(uids) == 4
        assert all(uid.startswith("2.25.") for uid in uids)
    assert [each.destination for each in deliveries(world)] == [
        f"{TITLE}@127.0.0.1:11190",
        "OTHER@127.0.0.1:11191",
    ]
    assert all(each.next_attempt_at is None for each in deliveries(world)), "nothing is sent that is not published"


@ONE_ENGINE
def test_an_unfinished_opinion_is_not_signed_and_nothing_of_it_stays(world, people) -> None:
    reader = people.reader()
    case_id = world.held_case(reader, people.site(), draft={"findings": "something"})
    with pytest.raises(Invalid) as refused:
        world.sign(reader, case_id)
    assert len(refused.value.problems) == 2
    assert state_of(world, case_id) is CaseState.CLAIMED
    with world.database.reading() as session:
        assert not session.query(Report).count()


@ONE_ENGINE
def test_publishing_puts_sr_and_pdf_into_the_study_in_the_archive(world, signed) -> None:
    _, report_id = signed()
    assert world.publishing().step()
    assert not world.publishing().step()
    files = files_of(world, report_id)
    assert set(files) == {"sr", "pdf", "pdf-dicom"}
    assert files["pdf"].startswith(b"%PDF")
    with world.database.reading() as session:
        report = session.get_one(Report, report_id)
        assert report.state is ReportState.PUBLISHED
        ours = session.query(Series).filter(Series.ours).all()
        assert {each.series_uid for each in ours} == {report.sr_series_uid, report.pdf_series_uid}
        for series, kind in ((each, {"SR": "sr", "DOC": "pdf-dicom"}[each.modality]) for each in ours):
            (instance,) = series.instances
            assert world.archive.fetch(instance.archive_id) == files[kind]
        assert session.query(Study).one().settled, "our own report opens no case and marks none"
        assert session.query(Case).one().images_added_at is None
    assert dcmread(world.folders.data / write(world, files["sr"])).StudyInstanceUID == world.studies()[0].study_uid


def write(world, content: bytes) -> str:
    (world.folders.data / "sr.dcm").write_bytes(content)
    return "sr.dcm"


@ONE_ENGINE
def test_publishing_twice_gives_the_same_bytes_and_one_instance_each(world, signed) -> None:
    _, report_id = signed()
    world.publishing().step()
    first, before = files_of(world, report_id), len(world.instances())
    with world.database.writing() as session:  # as if the worker had died before it wrote down that it was done
        report = session.get_one(Report, report_id)
        report.state, report.lease_until = ReportState.SIGNED, None
    assert world.publishing().step()
    assert files_of(world, report_id) == first
    assert len(world.instances()) == before


def keeping(world, seconds: float = 0) -> Keeping:
    return Keeping(world.database, world.archive, seconds)


def in_archive(world, report_id: int) -> list[bytes]:
    with world.database.reading() as session:
        report = session.get_one(Report, report_id)
        uids = report.sr_uid, report.pdf_uid
        rows = session.scalars(select(Instance).where(Instance.sop_uid.in_(uids)).order_by(Instance.id)).all()
    return [world.archive.fetch(row.archive_id) for row in rows]


@ONE_ENGINE
@pytest.mark.parametrize("loss", ["of the index", "of the disk"])
def test_a_report_that_the_archive_lost_in_its_last_seconds_is_stored_again(
    world, archive_server, signed, loss: str
) -> None:
    """It lay in our rows, was shown as published, and was in no archive for ever."""
    _, report_id = signed()
    world.publishing().step()
    before = in_archive(world, report_id)
    with world.database.reading() as session:
        ids = session.scalars(select(Instance.archive_id).join(Series).where(Series.ours)).all()
    for archive_id, part10 in zip(ids, before, strict=True):
        if loss == "of the index":
            world.archive.delete(archive_id)
        else:
            files = (each for each in archive_server.folder.rglob("*-*") if each.is_file())
            next(each for each in files if each.read_bytes() == part10).write_bytes(b"")
    assert not keeping(world, 3600).step(), "its grace is not over"
    assert keeping(world).step()
    assert not keeping(world).step()
    assert in_archive(world, report_id) == before


@ONE_ENGINE
def test_a_report_that_the_archive_has_is_asked_for_once_and_stored_no_second_time(world, signed) -> None:
    _, report_id = signed()
    world.publishing().step()
    last, before = world.archive.last_change(), in_archive(world, report_id)
    assert keeping(world).step()
    assert not keeping(world).step()
    assert (world.archive.last_change(), in_archive(world, report_id)) == (last, before)


@ONE_ENGINE
def test_a_cache_that_takes_nothing_delays_no_report(world, signed) -> None:
    """The report was stored, and its publication failed again and again at the cache."""
    _, report_id = signed()
    shutil.rmtree(world.folders.cache)
    world.folders.cache.write_bytes(b"")
    assert world.publishing().step()
    with world.database.reading() as session:
        assert session.get_one(Report, report_id).state == ReportState.PUBLISHED


@ONE_ENGINE
def test_an_archive_that_is_down_delays_publishing_and_loses_nothing(fragile_world, own_archive_server, people) -> None:
    world, reader = fragile_world, people.reader()
    case_id = world.held_case(reader, people.site())
    own_archive_server.kill()
    report_id = world.sign(reader, case_id)
    assert world.publishing().step()
    with world.database.reading() as session:
        report = session.get_one(Report, report_id)
        assert (report.state, report.attempts) == (ReportState.SIGNED, 1)
        assert "archive" in report.last_error
        assert report.next_attempt_at > now()
    own_archive_server.start()
    world.make_due(Report)
    assert world.publishing().step()
    assert set(files_of(world, report_id)) == {"sr", "pdf", "pdf-dicom"}


@ONE_ENGINE
def test_a_hospital_that_offers_no_query_has_it_when_it_says_so(world, signed, storescp, free_port) -> None:
    port = free_port()
    case_id, report_id = signed(f"{TITLE}@127.0.0.1:{port}")
    world.publishing().step()
    with storescp(port) as folder:
        assert delivering(world).step()
        received = [dcmread(file) for file in folder.iterdir()]
    with world.database.reading() as session:
        report = session.get_one(Report, report_id)
        assert {str(each.SOPInstanceUID) for each in received} == {report.sr_uid, report.pdf_uid}
    (delivery,) = deliveries(world)
    assert (delivery.state, delivery.attempts, delivery.last_error) == (DeliveryState.PROVEN, 1, "")
    assert "status 0000" in delivery.proof
    assert state_of(world, case_id) is CaseState.DELIVERED
    assert not delivering(world).step()


@ONE_ENGINE
def test_a_hospital_that_is_down_is_tried_again_and_gets_it(world, signed, storescp, free_port) -> None:
    port = free_port()
    case_id, _ = signed(f"{TITLE}@127.0.0.1:{port}")
    world.publishing().step()
    assert delivering(world).step()
    (delivery,) = deliveries(world)
    assert (delivery.state, delivery.attempts) == (DeliveryState.PENDING, 1)
    assert "refuses the connection" in delivery.last_error
    assert not delivering(world).step(), "not before its pause is over"
    world.make_due(Delivery)
    with storescp(port):
        assert delivering(world).step()
    assert deliveries(world)[0].state is DeliveryState.PROVEN
    assert state_of(world, case_id) is CaseState.DELIVERED


@ONE_ENGINE
def test_a_hospital_that_says_no_for_good_needs_a_person(world, signed, storescp, free_port) -> None:
    """It takes CT images alone: the kind of object that a report is, it does not accept."""
    port = free_port()
    case_id, _ = signed(f"{TITLE}@127.0.0.1:{port}")
    world.publishing().step()
    with storescp(port, "--refuse"):
        assert delivering(world).step()
    (delivery,) = deliveries(world)
    assert delivery.state is DeliveryState.NEEDS_PERSON, delivery.last_error
    assert delivery.last_error
    world.make_due(Delivery)
    assert not delivering(world).step(), "nobody tries again by themselves"
    assert state_of(world, case_id) is CaseState.SIGNED


@ONE_ENGINE
def test_a_hospital_that_should_answer_a_query_but_cannot_has_no_proof(world, signed, storescp, free_port) -> None:
    port = free_port()
    case_id, _ = signed(f"{TITLE}@127.0.0.1:{port}", proof="query")
    world.publishing().step()
    with storescp(port):
        assert delivering(world).step()
    (delivery,) = deliveries(world)
    assert delivery.state is DeliveryState.NEEDS_PERSON
    assert "query" in delivery.last_error.lower()
    assert state_of(world, case_id) is CaseState.SIGNED


@ONE_ENGINE
def test_without_a_receiver_the_report_lies_in_the_portal_and_is_delivered_there(world, signed, people) -> None:
    case_id, _ = signed()
    world.publishing().step()
    assert delivering(world).step()
    (delivery,) = deliveries(world)
    assert (delivery.destination, delivery.state) == ("Portal", DeliveryState.PROVEN)
    assert state_of(world, case_id) is CaseState.DELIVERED


@ONE_ENGINE
def test_a_case_is_delivered_when_the_last_destination_has_it(world, signed, storescp, free_port) -> None:
    first, second = free_port(), free_port()
    case_id, _ = signed(f"{TITLE}@127.0.0.1:{first}", f"SECOND@127.0.0.1:{second}")
    world.publishing().step()
    with storescp(first):
        while delivering(world).step():
            pass
    assert sorted(each.state for each in deliveries(world)) == [DeliveryState.PENDING, DeliveryState.PROVEN]
    assert state_of(world, case_id) is CaseState.SIGNED
    world.make_due(Delivery)
    with storescp(second, "-aet", "SECOND"):
        assert delivering(world).step()
    assert state_of(world, case_id) is CaseState.DELIVERED


@contextmanager
def mute_peer(port: int):
    """A PACS that accepts every connection and never says a word; yields an event: somebody has called."""
    called, held = threading.Event(), []
    with socket.create_server(("127.0.0.1", port)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    held.append(server.accept()[0])
                    called.set()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield called
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in held:
                connection.close()


@contextmanager
def delivery_loops(web):
    """The loops of a worker that deliver, as `overread worker` runs them."""
    stop = threading.Event()
    loops = [loop for loop in worker_loops(web.parts) if loop.name.startswith("deliver")]
    threads = [threading.Thread(target=loop.run, args=(stop, ALONE)) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@ONE_ENGINE
def test_a_peer_that_accepts_and_says_nothing_holds_up_no_other(web, signed, storescp, free_port, wait_for) -> None:
    """Deliveries were made one after the other: one hanging PACS kept the reports from all."""
    mute, good = free_port(), free_port()
    case_id, _ = signed(f"MUTE@127.0.0.1:{mute}", f"{TITLE}@127.0.0.1:{good}")
    with storescp(good) as folder, delivery_loops(web), mute_peer(mute) as called:
        web.world.publishing().step()
        assert called.wait(60)
        wait_for(lambda: deliveries(web.world)[1].state is DeliveryState.PROVEN, 60)
        hanging = deliveries(web.world)[0]
        assert (hanging.state, hanging.last_error) == (DeliveryState.PENDING, "")
        assert hanging.lease_until > now(), "it still hangs"
        assert len(list(folder.iterdir())) == 2
    assert state_of(web.world, case_id) is CaseState.SIGNED


@ONE_ENGINE
def test_a_peer_that_failed_before_is_given_little_time(world, signed, free_port, monkeypatch) -> None:
    """Four mute peers, 30 s for every attempt, kept all four loops from everybody else."""
    monkeypatch.setattr("scp.sender.HURRIED", 0.5)
    port = free_port()
    signed(f"MUTE@127.0.0.1:{port}")
    world.publishing().step()
    patient = delivering(world, 3600.0)
    with world.database.writing() as session:
        session.query(Delivery).one().last_error = "It did not answer the last time."
    with mute_peer(port):
        assert patient.step(), "with an hour for each step this test would not end"
    assert "does not answer" in deliveries(world)[0].last_error


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_workers_that_prove_the_last_two_destinations_at_once_deliver_the_case(world, signed) -> None:
    """Neither saw the other's proof, and the case stayed SIGNED for ever."""
    case_id, _ = signed(f"{TITLE}@127.0.0.1:11190", "OTHER@127.0.0.1:11191")
    world.publishing().step()
    parcels = [delivering(world)._pack(each.id) for each in deliveries(world)]

    def prove_second() -> None:
        with world.database.writing() as session:
            _prove(session, parcels[1], "second")

    other = threading.Thread(target=prove_second)
    with world.database.writing() as session:
        _prove(session, parcels[0], "first")
        session.flush()
        other.start()
        other.join(1.0)  # it waits for us, or has not seen us
    other.join()
    assert state_of(world, case_id) is CaseState.DELIVERED


@ONE_ENGINE
def test_the_report_is_seen_by_whoever_sees_the_study(world, signed, people) -> None:
    signed()
    world.publishing().step()
    with world.database.reading() as session:
        owner = people.hospital(session.query(Case).one().site_id)
        assert session.scalars(select(Study).where(sees_study(Sight(owner)))).one().series[-1].ours
