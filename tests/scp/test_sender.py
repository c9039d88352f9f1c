"""Sending to real peers, and errors that say whether trying again makes sense."""

import contextlib
import os
import resource
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit
from pynetdicom.acse import ACSE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

from scp.requesting import Offer, Patience, associated
from scp.sender import Endpoint, PeerRefused, PeerUnavailable, Sender
from scp.statuses import MEANINGS, Outcome, meaning_of

ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"
VERIFICATION = "1.2.840.10008.1.1"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
SENDER = Sender("OVERREAD", timeout=10)

STORESCP_PROFILE = """
[[TransferSyntaxes]]
[Plain]
{syntaxes}
[[PresentationContexts]]
[Accepted]
{contexts}
[[Profiles]]
[Test]
PresentationContexts = Accepted
"""


@pytest.fixture
def pacs(tmp_path, made):
    """Start a storescp; what it has received lies in `pacs.folder`."""
    return Pacs(tmp_path, made)


class Pacs:
    def __init__(self, folder, made):
        self.made, self.port = made, made.free_port()
        self.folder = folder / "received"
        self.folder.mkdir()
        self.endpoint = Endpoint("PACS", "127.0.0.1", self.port)

    def run(self, *options, **how):
        return self.made.running(
            "storescp", "-od", self.folder, "-aet", "PACS", *options, self.port, port=self.port, **how
        )

    def accepting(self, classes, syntaxes):
        path = self.folder.parent / "storescp.cfg"
        path.write_text(
            STORESCP_PROFILE.format(
                syntaxes="\n".join(f"TransferSyntax{number} = {one}" for number, one in enumerate(syntaxes, 1)),
                contexts="\n".join(
                    f"PresentationContext{number} = {one}\\Plain" for number, one in enumerate(classes, 1)
                ),
            )
        )
        return self.run("-xf", path, "Test")

    def received(self):
        return sorted((pydicom.dcmread(path) for path in self.folder.iterdir()), key=lambda ds: ds.SOPClassUID)


def test_a_peer_that_is_there_answers_an_echo_and_one_that_is_not_may_be_tried_again(pacs):
    with pytest.raises(PeerUnavailable, match="refuses the connection"):
        SENDER.echo(pacs.endpoint)
    with pacs.run():
        SENDER.echo(pacs.endpoint)


def test_an_answer_waits_for_who_asked(pacs):
    """The library's own thread took one in passing; the demonstration then began with a third of a CT."""
    with (
        pacs.run(),
        associated(pacs.endpoint, "OVERREAD", Patience(10, 10), Offer([build_context(VERIFICATION)])) as open_one,
    ):
        looks = threading.Semaphore(0)
        taking = open_one.dimse.get_msg
        open_one.dimse.get_msg = lambda *how, **more: (looks.release(), taking(*how, **more))[1]
        open_one.dimse.msg_queue.put((1, C_STORE()))
        for _ in range(3):
            assert looks.acquire(timeout=10)
        assert isinstance(taking(block=True)[1], C_STORE)


@pytest.mark.parametrize("head", [b"", b"\2\0\0\0\0\xff", b"\2\0\0\0\0\xff\0\1"])
def test_a_peer_that_trickles_its_answer_is_given_up(head):
    """Each byte came in time, so that the answer was waited for without end."""
    over = threading.Event()

    def trickle(connection):
        with connection, suppress(OSError):
            connection.sendall(head)
            while not over.wait(0.05):
                connection.sendall(b"\0")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: trickle(server.accept()[0]), daemon=True).start()
        with pytest.raises(PeerUnavailable, match=r"did not finish within 2 seconds|does not answer as a DICOM"):
            replace(SENDER, timeout=0.2, opening=5.0).echo(Endpoint("PACS", "127.0.0.1", server.getsockname()[1]))
        over.set()


def test_a_report_arrives_byte_for_byte(pacs, made):
    sr, pdf = made.object(ENHANCED_SR), made.object(PDF)
    with pacs.run("+B"):  # storescp writes exactly what it received
        results = SENDER.send(pacs.endpoint, [sr, pdf])
    assert [one.outcome for one in results] == [Outcome.STORED, Outcome.STORED]
    kept = {made.dataset_of(path.read_bytes()) for path in pacs.folder.iterdir()}
    assert kept == {made.dataset_of(sr), made.dataset_of(pdf)}


def test_a_report_goes_out_of_a_process_that_holds_many_files_open(pacs, made, request):
    """The read cache holds up to 2,000, and select() fails for descriptors from 1,024 on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2048)), hard))
    request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    sr = made.object(ENHANCED_SR)
    with contextlib.ExitStack() as files, pacs.run("+B"):
        while files.enter_context(Path(os.devnull).open("rb")).fileno() < 1100:
            pass
        SENDER.send(pacs.endpoint, [sr])
    (path,) = pacs.folder.iterdir()
    assert made.dataset_of(path.read_bytes()) == made.dataset_of(sr)


def test_a_compressed_object_goes_as_it_is(pacs, made):
    key_image = made.compressed(JPEGBaseline8Bit)
    with pacs.run("+B", "+xa"):
        SENDER.send(pacs.endpoint, [key_image])
    (path,) = pacs.folder.iterdir()
    assert made.dataset_of(path.read_bytes()) == made.dataset_of(key_image)


def test_a_peer_of_implicit_little_endian_alone_gets_that(pacs, made):
    with pacs.accepting(["EnhancedSRStorage"], ["LittleEndianImplicit"]):
        SENDER.send(pacs.endpoint, [made.object(ENHANCED_SR, syntax=ExplicitVRLittleEndian)])
    (ds,) = pacs.received()
    assert ds.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert ds.ContentSequence[0].ContentSequence[0].CodeMeaning == "Spine"


def test_a_peer_that_takes_no_enhanced_sr_needs_a_person_and_gets_the_rest(pacs, made):
    with pacs.accepting(["EncapsulatedPDFStorage"], ["LittleEndianExplicit"]):
        with pytest.raises(PeerRefused, match="1 of 2 objects.*does not accept this kind"):
            SENDER.send(pacs.endpoint, [made.object(ENHANCED_SR), made.object(PDF)])
        with pytest.raises(PeerRefused, match="none of what we offer"):
            SENDER.send(pacs.endpoint, [made.object(ENHANCED_SR)])
    assert [ds.SOPClassUID for ds in pacs.received()] == [PDF]


def test_a_peer_that_refuses_every_association_needs_a_person(pacs, made):
    with pacs.run("--refuse"), pytest.raises(PeerRefused, match="rejects the association"):
        SENDER.send(pacs.endpoint, [made.object(ENHANCED_SR)])


def test_a_peer_that_does_not_know_us_needs_a_person(tmp_path, made):
    with made.receiving(tmp_path) as hospital:
        endpoint = Endpoint("OVERREAD", "127.0.0.1", hospital.port, "STRANGER")
        with pytest.raises(PeerRefused, match="does not know our AE title STRANGER"):
            SENDER.echo(endpoint)
        with pytest.raises(PeerRefused, match="is not called OTHER"):
            SENDER.echo(replace(endpoint, ae_title="OTHER", calling_ae_title="HOSPITAL"))


def test_a_rejection_is_read_also_when_the_peer_hung_up_before_we_looked(pacs, made, monkeypatch):
    """On a busy machine the thread that asks was late: it then said that this is no DICOM application."""
    send_request = ACSE.send_request

    def send_and_be_late(acse):
        send_request(acse)
        acse.dul.join(10)  # its transport thread ends when the connection is closed

    monkeypatch.setattr(ACSE, "send_request", send_and_be_late)
    with pacs.run("--refuse"), pytest.raises(PeerRefused, match="rejects the association"):
        SENDER.echo(pacs.endpoint)


@pytest.mark.parametrize("option", ["--abort-during", "--abort-after"])
def test_a_peer_that_aborts_may_be_tried_again(pacs, made, option):
    with pacs.run(option), pytest.raises(PeerUnavailable, match="did not answer"):
        SENDER.send(pacs.endpoint, [made.object(ENHANCED_SR, pixels=50_000)])


def test_a_peer_without_an_answer_in_time_may_be_tried_again(pacs, made):
    with pacs.run("--sleep-during", 5), pytest.raises(PeerUnavailable, match="did not answer"):
        Sender("OVERREAD", timeout=1).send(pacs.endpoint, [made.object(ENHANCED_SR, pixels=50_000)])


def test_a_host_that_does_not_exist_may_be_tried_again(made):
    with pytest.raises(PeerUnavailable, match="cannot be found"):
        SENDER.echo(Endpoint("PACS", "no.such.host.invalid", 104))


def test_a_failure_of_the_peer_is_told_with_its_status_and_comment(tmp_path, made):
    with made.receiving(tmp_path) as hospital:
        endpoint = Endpoint("OVERREAD", "127.0.0.1", hospital.port, "HOSPITAL")
        good, strange = made.object(), made.object()
        (hospital.folder / "inbox" / "new").rename(tmp_path / "away")
        with pytest.raises(PeerUnavailable, match=r"disk said no.*\(status A700\)"):
            SENDER.send(endpoint, [good, strange])
        (tmp_path / "away").rename(hospital.folder / "inbox" / "new")
        assert [one.status for one in SENDER.send(endpoint, [good, strange])] == [0, 0]


@pytest.fixture
def archive(tmp_path, made):
    """A real query provider (dcmqrscp), which insists on the keys of every level."""
    port, folder = made.free_port(), tmp_path / "archive"
    folder.mkdir()
    config = tmp_path / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 8\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nPACS {folder} RW (100, 1024mb) ANY\nAETable END\n"
    )
    with made.running("dcmqrscp", "-c", config, port=port):
        yield Endpoint("PACS", "127.0.0.1", port)


def test_what_a_peer_shows_is_proof_and_what_it_does_not_show_is_none(archive, made):
    sr = made.object(ENHANCED_SR, pixels=0, PatientID="1")
    pdf = made.object(PDF, pixels=0, PatientID="1")
    first, second = (pydicom.dcmread(pydicom.filebase.DicomBytesIO(one)) for one in (sr, pdf))
    assert not SENDER.has_instances(archive, first.StudyInstanceUID, [first.SOPInstanceUID])
    SENDER.send(archive, [sr, pdf])
    assert SENDER.has_instances(archive, first.StudyInstanceUID, [first.SOPInstanceUID])
    both = [first.SOPInstanceUID, second.SOPInstanceUID]
    assert not SENDER.has_instances(archive, first.StudyInstanceUID, both)  # it is in another study


def test_a_peer_without_queries_is_told_apart_from_one_that_lacks_the_instance(pacs):
    with pacs.run(), pytest.raises(PeerRefused, match="none of what we offer"):
        SENDER.has_instances(pacs.endpoint, "1.2.3", ["1.2.3.4"])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.STORED),
        (0xB000, Outcome.STORED),
        (0xB007, Outcome.STORED),
        (0xA700, Outcome.TRY_AGAIN),
        (0xA702, Outcome.TRY_AGAIN),
        (0xA770, Outcome.ASK_A_PERSON),
        (0xA77B, Outcome.ASK_A_PERSON),
        (0xA900, Outcome.ASK_A_PERSON),
        (0xC123, Outcome.ASK_A_PERSON),
        (0x0110, Outcome.ASK_A_PERSON),
        (0x0122, Outcome.ASK_A_PERSON),
    ],
)
def test_a_status_says_what_to_do(status, outcome):
    assert meaning_of(status).outcome is outcome


def test_every_status_means_something():
    assert {meaning_of(status) for status in range(0x10000)} == set(MEANINGS)


def test_an_archive_says_how_many_images_of_a_study_it_has(archive, made):
    first, second = (made.object(pixels=0, PatientID="1", StudyInstanceUID="1.2.3.4") for _ in range(2))
    SENDER.send(archive, [first, second])
    assert SENDER.count_instances(archive, "1.2.3.4") == 2
    assert SENDER.count_instances(archive, "1.2.3.5") is None
