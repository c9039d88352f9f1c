"""Storage commitment from the request to the report: yes only for what the archive gives back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib import request as http

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid
from pynetdicom import AE, evt

from config.settings import load_settings
from gateway.commitments import Committing
from gateway.completeness import Completeness
from gateway.supervisor import die_with_parent
from orthanc import server as orthanc_server
from orthanc.errors import ArchiveUnavailable
from scp.commitment import COMMITMENT, COMMITMENT_INSTANCE
from scp.peers import PeerBook
from scp.sender import Sender
from scp.server import Receiver, ReceiverSettings
from scp.transactions import _as_json, key_of
from worklist.commitments import expected_instances
from worklist.completeness import Kind
from worklist.models import Commitment, CommitmentItem, Instance, Peer, Study, now
from worklist.states import CommitmentState

CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass
class Floor:
    """A hospital's modality in front of our receiver and worker, on real associations."""

    world: Any
    site_id: int
    port: int
    committing: Committing
    reports: list[tuple[int, Dataset]] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"site:{self.site_id}"

    def send(self, *images: bytes) -> list[str]:
        """Let images arrive and be archived; their SOP Instance UIDs."""
        for image in images:
            self.world.receive(image, self.origin)
        self.world.carry()
        return [str(dcmread(BytesIO(image)).SOPInstanceUID) for image in images]

    @contextmanager
    def association(self) -> Iterator[Any]:
        ae = AE("HOSPITAL")
        ae.add_requested_context(COMMITMENT)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._on_report)]
        association = ae.associate("127.0.0.1", self.port, ae_title="OVERREAD", evt_handlers=handlers)
        assert association.is_established
        yield association
        association.release()

    def ask(self, *sop_uids: str, sop_class: str = CT, transaction: str = "", association: Any = None) -> str:
        said = Dataset()
        said.TransactionUID = transaction or generate_uid()
        items = [Dataset() for _ in sop_uids]
        for item, uid in zip(items, sop_uids, strict=True):
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        said.ReferencedSOPSequence = Sequence(items)
        with nullcontext(association) if association else self.association() as asking:
            status, _ = asking.send_n_action(said, 1, COMMITMENT, COMMITMENT_INSTANCE)
        assert status.Status == 0
        return str(said.TransactionUID)

    def work(self) -> None:
        while self.committing.step():
            pass

    def outcome(self, transaction: str) -> dict[str, int | None]:
        with self.world.database.reading() as session:
            items = session.query(CommitmentItem).join(Commitment).filter_by(transaction_uid=transaction)
            return {item.sop_uid: item.reason for item in items}

    def row(self, transaction: str) -> Commitment:
        with self.world.database.reading() as session:
            return session.query(Commitment).filter_by(transaction_uid=transaction).one()

    def make_due(self) -> None:
        with self.world.database.writing() as session:
            session.query(Commitment).update({"next_attempt_at": now() - timedelta(seconds=1)})

    @contextmanager
    def listening(self, port: int) -> Iterator[None]:
        ae = AE("HOSPITAL")
        ae.add_supported_context(COMMITMENT, scu_role=False, scp_role=True)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._on_report)]
        server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        yield
        server.shutdown()

    def give_address(self, port: int, title: str = "HOSPITAL") -> None:
        with self.world.database.writing() as session:
            session.add(Peer(site_id=self.site_id, ae_title=title, host="127.0.0.1", port=port, receives_reports=True))

    def _on_report(self, event: Any) -> tuple[int, None]:
        self.reports.append((event.request.EventTypeID, event.event_information))
        return 0, None


def make_committing(world: Any, **settings: float) -> Committing:
    given = {"patience_seconds": 600, "same_association_seconds": 0, "days": 3} | settings
    loaded = load_settings(world.settings.data, None, commitment=given)
    return Committing(world.inbox, world.archive, world.database, Sender("OVERREAD", 10), loaded)


@contextmanager
def receiving(world: Any, site_id: int, *titles: str) -> Iterator[int]:
    peers = [{"ae_title": title, "origin": f"site:{site_id}", "name": "Hospital"} for title in titles]
    world.folders.peers.write_text(json.dumps({"peers": peers}))
    how = ReceiverSettings(counters=world.folders.counters, host="127.0.0.1", port=0, stop_seconds=3)
    receiver = Receiver(how, PeerBook(world.folders.peers), world.inbox)
    receiver.start()
    yield receiver.port
    receiver.stop()


@pytest.fixture
def floor(world: Any, people: Any) -> Iterator[Floor]:
    site_id = people.site()
    with receiving(world, site_id, "HOSPITAL") as port:
        yield Floor(world, site_id, port, make_committing(world))


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_what_the_archive_has_is_committed_and_every_other_case_has_its_own_reason(floor, make, people) -> None:
    study = generate_uid()
    good, twice = floor.send(make(StudyInstanceUID=study), make(StudyInstanceUID=study))
    floor.send(make(StudyInstanceUID=study, SOPInstanceUID=twice, InstanceNumber=9))
    gone, missing = generate_uid(), generate_uid()
    floor.send(make(StudyInstanceUID=study, SOPInstanceUID=gone))
    floor.world.archive.delete(next(row.archive_id for row in floor.world.instances() if row.sop_uid == gone))
    others = make()
    floor.world.receive(others, f"site:{people.site()}")
    floor.world.carry()
    foreign = str(dcmread(BytesIO(others)).SOPInstanceUID)
    transaction = floor.ask(good, twice, gone, missing, foreign)
    other_class = floor.ask(good, sop_class="1.2.840.10008.5.1.4.1.1.4")
    floor.work()
    assert floor.outcome(transaction) == {good: 0, twice: 0x0110, gone: 0x0110, missing: 0x0112, foreign: 0x0112}
    assert floor.outcome(other_class) == {good: 0x0119}


@on_sqlite
def test_other_bytes_in_the_archive_are_not_committed(floor, make) -> None:
    (uid,) = floor.send(make())
    with floor.world.database.writing() as session:
        session.query(Instance).filter_by(sop_uid=uid).update({"sha256": "0" * 64})
    transaction = floor.ask(uid)
    floor.work()
    assert floor.outcome(transaction) == {uid: 0x0110}


@on_sqlite
def test_images_that_are_still_on_their_way_are_waited_for_and_not_for_ever(floor, make) -> None:
    image = make()
    floor.world.receive(image, floor.origin)
    uid = str(dcmread(BytesIO(image)).SOPInstanceUID)
    transaction = floor.ask(uid)
    floor.work()
    assert floor.outcome(transaction) == {uid: None}
    floor.world.carry()
    floor.make_due()
    floor.work()
    assert floor.outcome(transaction) == {uid: 0}
    late = make()
    floor.world.receive(late, floor.origin)
    impatient = make_committing(floor.world, patience_seconds=0.001)
    transaction = floor.ask(str(dcmread(BytesIO(late)).SOPInstanceUID))
    while impatient.step():
        pass
    assert set(floor.outcome(transaction).values()) == {0x0112}


@on_sqlite
def test_more_than_one_piece_is_judged_piece_by_piece(floor, make, monkeypatch) -> None:
    monkeypatch.setattr("gateway.judging.AT_ONCE", 3)
    uids = floor.send(*(make() for _ in range(7)))
    transaction = floor.ask(*uids, generate_uid())
    floor.work()
    assert sorted(floor.outcome(transaction).values()) == [0] * 7 + [0x0112]


@on_sqlite
def test_nothing_is_judged_while_the_archive_is_away(fragile_world, own_archive_server, people, make) -> None:
    site_id = people.site()
    with receiving(fragile_world, site_id, "HOSPITAL") as port:
        floor = Floor(fragile_world, site_id, port, make_committing(fragile_world))
        (uid,) = floor.send(make())
        own_archive_server.kill()
        transaction = floor.ask(uid)
        with pytest.raises(ArchiveUnavailable):
            floor.work()
        assert floor.outcome(transaction) == {uid: None}
        own_archive_server.start()
        floor.make_due()
        floor.work()
        assert floor.outcome(transaction) == {uid: 0}


def test_the_report_goes_to_the_address_of_whoever_asked_until_it_is_heard(floor, make, free_port) -> None:
    (uid,) = floor.send(make())
    transaction, port = floor.ask(uid), free_port()
    floor.give_address(free_port(), "ANOTHER")
    floor.work()
    assert floor.row(transaction).state is CommitmentState.JUDGED
    assert "HOSPITAL has no address" in floor.row(transaction).last_error
    floor.give_address(port)
    floor.make_due()
    floor.work()
    assert "refuses the connection" in floor.row(transaction).last_error
    with floor.listening(port):
        floor.make_due()
        floor.work()
    ((kind, said),) = floor.reports
    assert (kind, said.TransactionUID, said.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) == (1, transaction, uid)
    row = floor.row(transaction)
    assert (row.state, row.reported_how, row.last_error) == (
        CommitmentState.REPORTED, f"To HOSPITAL@127.0.0.1:{port}", "",
    )  # fmt: skip


@on_sqlite
def test_after_days_nobody_calls_any_more_and_asking_again_starts_anew(floor, make, free_port) -> None:
    (uid,) = floor.send(make())
    transaction = floor.ask(uid)
    floor.give_address(free_port())
    floor.work()
    with floor.world.database.writing() as session:
        session.query(Commitment).update({"judged_at": now() - timedelta(days=4)})
    floor.make_due()
    floor.work()
    assert floor.row(transaction).state is CommitmentState.GIVEN_UP
    assert floor.ask(uid, transaction=transaction)
    floor.work()
    assert floor.row(transaction).state is CommitmentState.JUDGED
    assert floor.outcome(transaction) == {uid: 0}


@on_sqlite
def test_a_site_without_any_address_hears_it_on_its_own_association(floor, make, wait_for) -> None:
    (uid,) = floor.send(make())
    with floor.association() as association:
        transaction = floor.ask(uid, association=association)
        floor.work()
        wait_for(lambda: floor.reports)
        wait_for(lambda: floor.world.inbox.transactions.reported())
    floor.work()
    row = floor.row(transaction)
    assert (row.state, row.reported_how) == (CommitmentState.REPORTED, "On the association on which it had asked")


@on_sqlite
def test_a_worker_that_dies_between_two_steps_repeats_them_without_harm(floor, make) -> None:
    (uid,) = floor.send(make())
    transaction = floor.ask(uid)
    ((_, request),) = floor.world.inbox.transactions.asked()
    floor.work()
    floor.world.inbox.transactions.ask(request)  # as if it had died before it let the file go
    floor.work()
    assert floor.row(transaction).state is CommitmentState.JUDGED
    assert floor.outcome(transaction) == {uid: 0}
    assert list(floor.world.inbox.transactions.asked()) == []


@on_sqlite
def test_two_requests_that_passed_two_receivers_at_once_under_one_transaction_uid(floor, make) -> None:
    """The receivers look before they write: both may be answered 0000, and then only the first is judged."""
    (uid,) = floor.send(make())
    transaction = floor.ask(uid)
    ((_, request),) = floor.world.inbox.transactions.asked()
    floor.work()
    other = replace(request, references=(replace(request.references[0], sop_uid="1.2.3"),))
    folder = floor.world.folders.inbox / "commitments" / "asked"
    (folder / key_of(other)).write_bytes(_as_json(other))
    floor.work()
    assert floor.outcome(transaction) == {uid: 0, "1.2.3": 0x0131}


def test_what_a_request_names_is_expected_of_the_one_study_in_which_the_rest_lies(floor, make) -> None:
    one, two = generate_uid(), generate_uid()
    a, b = floor.send(make(StudyInstanceUID=one), make(StudyInstanceUID=one))
    (c,) = floor.send(make(StudyInstanceUID=two))
    missing, unclear = generate_uid(), generate_uid()
    floor.ask(a, b, missing)
    floor.ask(a, c, unclear)
    floor.work()
    with floor.world.database.reading() as session:
        expected = {study.study_uid: expected_instances(session, study.id) for study in floor.world.studies()}
    assert expected == {one: {a, b, missing}, two: {c}}


@on_sqlite
def test_an_image_that_the_sender_asks_for_and_that_is_not_here_is_remarked_on_its_study(floor, make) -> None:
    """Also when the study was looked at before the request came."""
    (here,) = floor.send(make())
    looking = Completeness(floor.world.database, floor.world.cache)
    with floor.world.database.writing() as session:
        session.query(Study).one().settled = True
    assert (looking.step(), floor.world.studies()[0].remarks) == (True, [])
    floor.ask(here, generate_uid())
    floor.work()
    looking.step()
    assert [(one["kind"], one["count"]) for one in floor.world.studies()[0].remarks] == [(Kind.COMMITMENT, 1)]


# --- what people see ------------------------------------------------------------------------------------------------


@on_sqlite
def test_the_site_and_the_coordinator_see_each_transaction_and_nobody_else_does(floor, make, web, people) -> None:
    good, missing = *floor.send(make()), generate_uid()
    transaction = floor.ask(good, missing)
    floor.work()
    hospital = people.hospital(floor.site_id)
    for who in (hospital, people.coordinator()):
        (one,) = web.ask(who, "GET", "/api/v1/commitments").json["commitments"]
        assert (one["transaction_uid"], one["state"], one["asked"], one["committed"]) == (transaction, "JUDGED", 2, 1)
        assert [(each["reason"], each["count"]) for each in one["failed"]] == [("0112", 1)]
        assert "host and port of HOSPITAL" in one["hint"]
        instances = web.ask(who, "GET", f"/api/v1/commitments/{one['id']}").json["instances"]
        assert {each["sop_uid"]: each["committed"] for each in instances} == {good: True, missing: False}
        page = web.ask(who, "GET", "/arrivals").text
        assert "1 of 2 images" in page
        assert "Nothing of yours is here under this UID (0112)" in page
        assert "host and port of HOSPITAL" in page
    for stranger in (people.hospital(people.site()), people.reader(), people.patient()):
        assert web.ask(stranger, "GET", "/api/v1/commitments").json == {"commitments": []}
        assert web.ask(stranger, "GET", f"/api/v1/commitments/{one['id']}").status_code == 404
    assert web.ask(None, "GET", "/api/v1/commitments").status_code == 401


@on_sqlite
def test_a_failure_reason_that_we_never_give_an_instance_has_words_too(floor, web, people) -> None:
    """The page of the sender once had no answer at all for a reason that is not in our table."""
    floor.ask(generate_uid(), generate_uid())
    floor.work()
    with web.database.writing() as session:
        for item, reason in zip(session.query(CommitmentItem), (0x0115, 0x0ABC), strict=True):
            item.reason = reason
    page = web.ask(people.hospital(floor.site_id), "GET", "/arrivals").text
    assert "A UID is malformed, an instance named twice, or none named (0115)" in page
    assert "for a reason that has no words here (0ABC)" in page


# --- Orthanc asks ---------------------------------------------------------------------------------------------------


@dataclass
class Pacs:
    """An Orthanc with its DICOM server on: a storage commitment SCU that is not ours."""

    url: str

    def call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with http.urlopen(http.Request(self.url + path, data), timeout=20) as answer:
            return json.loads(answer.read())


@contextmanager
def orthanc_pacs(folder: Path, http_port: int, dicom_port: int, ours: int) -> Iterator[Pacs]:
    folder.mkdir()
    file = folder / "pacs.json"
    file.write_text(
        json.dumps(
            {
                "Name": "PACS",
                "StorageDirectory": str(folder),
                "IndexDirectory": str(folder),
                "HttpPort": http_port,
                "AuthenticationEnabled": False,
                "DicomAet": "HOSPITAL",
                "DicomPort": dicom_port,
                "DicomServerEnabled": True,
                "DicomModalities": {"overread": ["OVERREAD", "127.0.0.1", ours]},
                "Plugins": [],
            }
        )  # fmt: skip
    )
    command = orthanc_server.command(file)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command.argv, env=command.environment, stdout=log, stderr=log, preexec_fn=die_with_parent
        )
    try:
        orthanc_server.wait_until_ready(f"http://127.0.0.1:{http_port}", "", "", 30)
        yield Pacs(f"http://127.0.0.1:{http_port}")
    finally:
        process.terminate()
        process.wait(20)


@on_sqlite
def test_orthanc_asks_and_hears_success_and_failure(floor, make, free_port, tmp_path, wait_for) -> None:
    good, missing = *floor.send(make()), generate_uid()
    dicom_port = free_port()
    floor.give_address(dicom_port)
    with orthanc_pacs(tmp_path / "pacs", free_port(), dicom_port, floor.port) as pacs:

        def ask(*uids: str) -> Any:
            body = {"DicomInstances": [{"SOPClassUID": CT, "SOPInstanceUID": uid} for uid in uids]}
            asked = pacs.call("/modalities/overread/storage-commitment", body)
            floor.work()
            wait_for(lambda: pacs.call(asked["Path"])["Status"] != "Pending")
            return pacs.call(asked["Path"])

        assert ask(good)["Status"] == "Success"
        failed = ask(good, missing)
    assert failed["Status"] == "Failure"
    assert [each["SOPInstanceUID"] for each in failed["Success"]] == [good]
    assert [(each["SOPInstanceUID"], each["FailureReason"]) for each in failed["Failures"]] == [(missing, 0x0112)]
