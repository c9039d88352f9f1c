"""Earlier studies fetched from a real archive (DCMTK's dcmqrscp), and from some that are not what they should be."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLosslessSV1
from pynetdicom import AE, evt

from scp import calling_off
from scp.asked import CalledOff, Listed, Patient, Wanted
from scp.inbox import Inbox
from scp.requesting import Endpoint, Failure, Patience, PeerRefused, PeerUnavailable
from scp.retrieving import STUDY_ROOT_GET, STUDY_ROOT_MOVE, DicomArchive, Intake
from scp.tls import TlsFiles, caller_context

CT, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
JANE = Patient("P1", "", "DOE^JANE", "19700101")
CONFIGURATION = """
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
overread = (OVERREAD, 127.0.0.1, {destination})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
PACS {folder} RW (200, 1024mb) ANY
AETable END
"""


@dataclass
class Qrscp:
    """A running dcmqrscp, and how we call it."""

    port: int
    files: Path
    made: object

    def hold(self, *objects: bytes, options: tuple[str, ...] = ()) -> None:
        for number, each in enumerate(objects):
            path = self.files / f"{number}.dcm"
            path.write_bytes(each)
            sent = self.made.dcmtk("storescu", *options, "-aec", "PACS", "127.0.0.1", self.port, path)
            assert sent.returncode == 0, sent.stderr


@pytest.fixture
def qrscp(tmp_path, made):
    """Start a dcmqrscp that knows us at a port: `with qrscp(destination=port) as archive`."""

    @contextmanager
    def start(destination: int = 9, options: tuple[str, ...] = ()) -> Iterator[Qrscp]:
        port, folder, files = made.free_port(), tmp_path / "pacs", tmp_path / "files"
        folder.mkdir()
        files.mkdir()
        configuration = tmp_path / "dcmqrscp.cfg"
        configuration.write_text(CONFIGURATION.format(port=port, folder=folder, destination=destination))
        with made.running("dcmqrscp", *options, "-c", configuration, port=port):
            yield Qrscp(port, files, made)

    return start


@pytest.fixture
def archive(tmp_path):
    """How we call an archive at a port."""

    def of(port: int, *, moves: bool = False, answering: float = 5.0, in_all: float = 30.0) -> DicomArchive:
        intake = Intake(Inbox(tmp_path / "ours"), tmp_path / "counters", 1 << 30)
        patience = Patience(answering, answering, in_all)
        return DicomArchive(Endpoint("PACS", "127.0.0.1", port), "OVERREAD", patience, None, moves, intake)

    return of


def study(made, uid: str, number: int, kind: str = CT, **more) -> list[bytes]:
    said = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1", "PatientID": "P1", "PatientName": "DOE^JANE",
            "PatientBirthDate": "19700101", "StudyDate": "20240203", "StudyDescription": "CT Thorax"}  # fmt: skip
    said |= more
    return [made.object(kind, SOPInstanceUID=f"{uid}.1.{one}", InstanceNumber=one, **said) for one in range(number)]


def wanted(archive: DicomArchive, study_uid: str, goes_on=lambda: True) -> Wanted:
    return Wanted(study_uid, "site:7", archive.instances_of(study_uid), goes_on)


def kept(made, archive: DicomArchive) -> dict[str, bytes]:
    inbox = archive.intake.inbox
    return {one.arrival.sop_uid: made.dataset_of(inbox.read(one).part10) for one in inbox.waiting(10_000)}


def test_an_archive_shows_the_studies_of_a_patient_id_and_of_no_other(qrscp, archive, made):
    with qrscp() as pacs:
        pacs.hold(*study(made, "1.2.1", 3), *study(made, "1.2.2", 1, PatientID="P2"))
        ours = archive(pacs.port)
        ours.test()
        (found,) = ours.studies_of(JANE)
        assert (found.study_uid, found.patient.name, found.date) == ("1.2.1", "DOE^JANE", "20240203")
        assert (found.description, found.images) in {("CT Thorax", None), ("CT Thorax", 3)}
        assert {one.sop_uid for one in ours.instances_of("1.2.1")} == {"1.2.1.1.0", "1.2.1.1.1", "1.2.1.1.2"}
        assert ours.instances_of("1.2.9") == ()


def test_by_c_get_a_study_comes_into_the_inbox_byte_for_byte_as_fetched(qrscp, archive, made):
    objects = [*study(made, "1.2.1", 3), *study(made, "1.2.1", 1, SR, SeriesInstanceUID="1.2.1.2", Modality="SR")]
    with qrscp() as pacs:
        pacs.hold(*objects[:3])
        ours = archive(pacs.port)
        assert ours.fetch(wanted(ours, "1.2.1")) == 0
    assert sorted(kept(made, ours).values()) == sorted(made.dataset_of(one) for one in objects[:3])
    arrivals = [one.arrival for one in ours.intake.inbox.waiting(9)]
    assert {(one.origin, one.sender, one.fetched) for one in arrivals} == {("site:7", "PACS", "fetched")}


def test_compressed_images_come_as_they_are_kept(qrscp, archive, made):
    compressed = made.compressed(JPEGLosslessSV1, StudyInstanceUID="1.2.1", PatientID="P1")
    with qrscp(options=("+xs", "-xs")) as pacs:
        pacs.hold(compressed, options=("-xs",))
        ours = archive(pacs.port)
        assert ours.fetch(wanted(ours, "1.2.1")) == 0
    assert list(kept(made, ours).values()) == [made.dataset_of(compressed)]


def test_by_c_move_a_study_comes_through_our_own_door_and_is_known_as_fetched(qrscp, archive, made, tmp_path):
    with made.receiving(tmp_path) as door, qrscp(door.port) as pacs:
        made.write_peers(tmp_path / "peers.json", "PACS")
        pacs.hold(*study(made, "1.2.1", 2))
        ours = archive(pacs.port, moves=True)
        ours.test()
        assert ours.fetch(wanted(ours, "1.2.1")) == 0
        assert [one.arrival.fetched for one in door.inbox.waiting(9)] == ["fetched", "fetched"]
        assert kept(made, ours) == {}
        pushed = tmp_path / "pushed.dcm"
        pushed.write_bytes(made.object())
        made.dcmtk("storescu", "-aet", "PACS", "-aec", "OVERREAD", "127.0.0.1", door.port, pushed)
        assert sorted(one.arrival.fetched for one in door.inbox.waiting(9)) == ["", "fetched", "fetched"]


def test_an_archive_that_does_not_know_where_we_are_says_so(archive, made):
    with listening({STUDY_ROOT_MOVE: (evt.EVT_C_MOVE, lambda _: iter([(None, None)]))}) as port:
        ours = archive(port, moves=True)
        with pytest.raises(PeerRefused, match="does not know where OVERREAD is") as refused:
            ours.fetch(Wanted("1.2.1", "site:7", (), lambda: True))
    assert refused.value.failure is Failure.DESTINATION


def test_an_archive_that_offers_no_retrieval_is_told_apart(archive, made):
    with listening({FIND: (evt.EVT_C_FIND, lambda _: iter([]))}) as port:
        for moves in (True, False):
            with pytest.raises(PeerRefused, match="does not offer C-") as refused:
                archive(port, moves=moves).test()
            assert refused.value.failure is Failure.NO_RETRIEVAL


def test_an_archive_that_says_nothing_or_hangs_up_is_asked_again_later(archive, made):
    silent = {FIND: (evt.EVT_C_FIND, lambda _: threading.Event().wait(2.5) or iter([]))}
    with listening(silent) as port, pytest.raises(PeerUnavailable, match="does not answer a query"):
        archive(port, answering=0.5).studies_of(JANE)
    with closing(socket.create_server(("127.0.0.1", 0))) as mute, pytest.raises(PeerUnavailable):
        archive(mute.getsockname()[1], answering=0.5).studies_of(JANE)
    mute = {STUDY_ROOT_GET: (evt.EVT_C_GET, lambda _: threading.Event().wait(8) or iter([]))}
    with listening(mute) as port, pytest.raises(PeerUnavailable, match="fell silent"):
        archive(port, answering=0.2).fetch(Wanted("1.2.1", "site:7", (Listed("1.2.1.1", CT, "1.2"),), lambda: True))
    with pytest.raises(PeerUnavailable, match="nothing listens"):
        archive(made.free_port()).studies_of(JANE)


def test_of_answers_without_end_no_more_are_read_than_a_patient_has(archive):
    def without_end(_):
        while True:
            answer = Dataset()
            answer.QueryRetrieveLevel, answer.StudyInstanceUID, answer.PatientID = "STUDY", "1.2.3", "P1"
            yield 0xFF00, answer

    with (
        listening({FIND: (evt.EVT_C_FIND, without_end)}) as port,
        pytest.raises(PeerRefused, match="more than 500 matches"),
    ):
        archive(port).studies_of(JANE)


def test_what_an_archive_sends_along_is_not_taken(archive, made):
    asked, other = study(made, "1.2.1", 1), study(made, "1.2.2", 1)
    with sending([asked[0], other[0]]) as port:
        ours = archive(port)
        ours.fetch(Wanted("1.2.1", "site:7", listed_of(asked), lambda: True))
        assert list(kept(made, ours)) == ["1.2.1.1.0"]
        (refusal,) = [one for _, one in ours.intake.inbox.refusals(9)]
        assert (refusal.study_uid, refusal.status) == ("1.2.2", 0xA904)


def test_what_comes_by_tls_comes_whole(archive, made, pki):
    """Larger than a record of TLS, so that some of it lies in the library's own buffer."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pki / "theirs.pem", pki / "theirs.key")
    trusting = caller_context(TlsFiles(pki / "ours.pem", pki / "ours.key", pki / "ca.pem", None))
    asked = [made.object(StudyInstanceUID="1.2.1", SOPInstanceUID=f"1.2.1.{one}", pixels=300_000) for one in range(5)]
    with sending(asked, context) as port:
        plain = archive(port)
        ours = replace(plain, endpoint=replace(plain.endpoint, tls=True), tls=trusting)
        assert ours.fetch(Wanted("1.2.1", "site:7", listed_of(asked), lambda: True)) == 0
        assert sorted(kept(made, ours).values()) == sorted(made.dataset_of(one) for one in asked)
        with pytest.raises(PeerUnavailable):
            archive(port, answering=1.0).fetch(Wanted("1.2.1", "site:7", listed_of(asked), lambda: True))


def test_an_archive_that_sends_without_end_is_hung_up_on(archive, made):
    asked = study(made, "1.2.1", 1)
    with sending(asked * 100) as port:
        ours = archive(port)
        with pytest.raises(PeerRefused, match="far more than it lists"):
            ours.fetch(Wanted("1.2.1", "site:7", listed_of(asked), lambda: True))


def test_a_study_that_nobody_wants_any_more_is_not_fetched_on(archive, made):
    asked = study(made, "1.2.1", 50)
    with sending(asked) as port:
        ours = archive(port)
        with pytest.raises(CalledOff):
            ours.fetch(Wanted("1.2.1", "site:7", listed_of(asked), lambda: len(kept(made, ours)) < 3))
    assert 3 <= len(kept(made, ours)) < 10


@pytest.mark.parametrize("moves", [False, True], ids=["C-GET", "C-MOVE"])
def test_a_real_archive_is_told_to_stop_and_does(qrscp, archive, made, tmp_path, moves):
    with made.receiving(tmp_path) as door, qrscp(door.port) as pacs:
        made.write_peers(tmp_path / "peers.json", "PACS")
        pacs.hold(*study(made, "1.2.1", 60))
        ours = archive(pacs.port, moves=moves)
        inbox = door.inbox if moves else ours.intake.inbox
        with pytest.raises(CalledOff):
            ours.fetch(wanted(ours, "1.2.1", lambda: inbox.backlog().count < 3))
        assert 3 <= inbox.backlog().count < 40
        assert ours.fetch(wanted(ours, "1.2.1")) == 0, "it takes the next request"


def test_an_archive_that_is_silent_when_it_is_called_off_hears_a_cancel(archive):
    """Nothing was asked until its next answer."""
    heard = threading.Event()

    def silent(event):
        while is_connected(event) and not heard.is_set():
            threading.Event().wait(0.05)
            if event.is_cancelled:  # true once
                heard.set()
        yield from [1, (0xFE00, None)]

    with listening({STUDY_ROOT_GET: (evt.EVT_C_GET, silent)}) as port, pytest.raises(CalledOff):
        archive(port, answering=60, in_all=600).fetch(unwanted_soon())
    assert heard.is_set()


@pytest.mark.parametrize("moves", [False, True], ids=["C-GET", "C-MOVE"])
def test_an_archive_that_heeds_no_cancel_is_hung_up_on(archive, moves, monkeypatch):
    monkeypatch.setattr(calling_off, "_HEEDED_WITHIN", 0.2)
    aborted = threading.Event()

    def deaf(event):
        while is_connected(event):
            threading.Event().wait(0.05)
        aborted.set()
        return iter([])

    model, kind = (STUDY_ROOT_MOVE, evt.EVT_C_MOVE) if moves else (STUDY_ROOT_GET, evt.EVT_C_GET)
    with listening({model: (kind, deaf)}) as port, pytest.raises(CalledOff):
        archive(port, moves=moves, answering=60, in_all=600).fetch(unwanted_soon())
    assert aborted.wait(20)


def is_connected(event) -> bool:
    """Whether the association goes on: its own thread, which would hear of an abort, is busy with the request."""
    return event.assoc.dul.state_machine.current_state == "Sta6"


def unwanted_soon() -> Wanted:
    """A study that is wanted when it is asked for, and not any more then."""
    answers = iter([True])
    return Wanted("1.2.1", "site:7", (Listed("1.2.1.1", CT, "1.2"),), lambda: next(answers, False))


def test_an_archive_that_trickles_is_given_up_in_the_end(archive, made):
    def trickles(event):
        while event.assoc.is_established:
            threading.Event().wait(0.1)
            with suppress(OSError, AttributeError):
                event.assoc.dul.socket.socket.sendall(head.pop() if head else b"\0")
        return iter([])

    head = [b"\x04\0\0\0\x01\0"]
    with listening({STUDY_ROOT_GET: (evt.EVT_C_GET, trickles)}) as port:
        ours = archive(port, answering=1.0, in_all=2.0)
        with pytest.raises(PeerUnavailable, match="did not finish within 2 seconds"):
            ours.fetch(Wanted("1.2.1", "site:7", listed_of(study(made, "1.2.1", 1)), lambda: True))


def listed_of(objects):
    from io import BytesIO

    from pydicom import dcmread

    read = [dcmread(BytesIO(one)) for one in objects]
    return tuple(Listed(one.SOPInstanceUID, one.SOPClassUID, one.SeriesInstanceUID) for one in read)


@contextmanager
def listening(services: dict[str, tuple[evt.EventType, object]], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """An archive that offers these models, each with what it does; its port."""
    ae = AE("PACS")
    for model in services:
        ae.add_supported_context(model)
    ae.add_supported_context(CT, scu_role=True, scp_role=True)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(services.values()), ssl_context=tls)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@contextmanager
def sending(objects: list[bytes], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """An archive that answers a C-GET with these objects, whatever was asked for; its port."""
    from io import BytesIO

    from pydicom import dcmread

    def get(event):
        yield len(objects)
        for each in objects:
            yield (0xFE00, None) if event.is_cancelled else (0xFF00, dcmread(BytesIO(each)))

    with listening({STUDY_ROOT_GET: (evt.EVT_C_GET, get)}, tls) as port:
        yield port
