"""The receiver against real DCMTK senders: yes only when it is true, no with the right reason."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom.acse import ACSE
from pynetdicom.presentation import build_context

from scp.limits import Limits
from scp.presence import being_sent
from scp.reasons import REASONS, Reason
from scp.requesting import Endpoint, Offer, Patience, PeerRefused, associated

STORESCU_PROPOSES = {
    JPEGBaseline8Bit: "-xy",
    JPEGLosslessSV1: "-xs",
    JPEGLSLossless: "-xt",
    JPEG2000Lossless: "-xv",
    RLELossless: "-xr",
}


def echo(made, hospital, calling="HOSPITAL", called="OVERREAD"):
    return made.dcmtk("echoscu", "-v", "-aet", calling, "-aec", called, "127.0.0.1", hospital.port)


def write(path, part10):
    path.write_bytes(part10)
    return path


def test_a_known_peer_gets_an_echo(hospital, made):
    assert echo(made, hospital).returncode == 0


def test_strangers_are_rejected_with_the_right_reason(hospital, made):
    assert "Reason: Calling AE Title Not Recognized" in echo(made, hospital, calling="NOBODY").stderr
    assert "Reason: Called AE Title Not Recognized" in echo(made, hospital, called="OTHER").stderr
    assert "Rejected Permanent" in echo(made, hospital, calling="NOBODY").stderr


def test_a_peer_that_is_added_may_come_at_once_and_one_that_is_removed_may_not(hospital, made):
    made.write_peers(hospital.folder / "peers.json", "OTHER")
    assert echo(made, hospital, calling="OTHER").returncode == 0
    assert echo(made, hospital).returncode != 0


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_objects_are_kept_as_they_were_sent(hospital, made, tmp_path, syntax):
    part10 = made.object(syntax=syntax)
    propose = {ImplicitVRLittleEndian: "-xi", ExplicitVRLittleEndian: "-xe", ExplicitVRBigEndian: "-xb"}[syntax]
    sent = hospital.storescu(write(tmp_path / "one.dcm", part10), options=(propose,))
    assert "Received Store Response (Success)" in sent.stderr
    (entry,) = hospital.inbox.waiting(2)
    assert entry.arrival.transfer_syntax == syntax
    assert (entry.arrival.origin, entry.arrival.sender) == ("site:7", "HOSPITAL")
    assert hospital.kept() == [made.dataset_of(part10)]


@pytest.mark.parametrize("syntax", STORESCU_PROPOSES)
def test_compressed_objects_are_kept_byte_for_byte(hospital, made, tmp_path, syntax):
    part10 = made.compressed(syntax, fragments=(bytes(range(256)) * 1200, b"\7" * 100))
    sent = hospital.storescu(write(tmp_path / "one.dcm", part10), options=(STORESCU_PROPOSES[syntax],))
    assert "Received Store Response (Success)" in sent.stderr
    assert hospital.inbox.waiting(1)[0].arrival.transfer_syntax == syntax
    assert hospital.kept() == [made.dataset_of(part10)]


@pytest.mark.parametrize(
    "sop_class", ["1.2.840.113619.4.26", "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.999"]
)
def test_private_retired_and_future_storage_classes_are_taken(hospital, made, sop_class):
    part10 = made.object(sop_class_uid=sop_class, SOPInstanceUID="1.2.3")
    answer = made.store_raw(hospital.port, made.dataset_of(part10), announced=(sop_class, "1.2.3"))
    assert answer.Status == 0
    assert hospital.inbox.waiting(1)[0].arrival.sop_class_uid == sop_class


@pytest.mark.parametrize(
    ("sop_class", "syntax"),
    [
        ("1.2.840.10008.5.1.4.1.2.2.1", ImplicitVRLittleEndian),
        ("1.2.840.10008.5.1.4.1.1.2", DeflatedExplicitVRLittleEndian),
    ],
)
def test_services_and_syntaxes_that_are_not_offered_are_not_agreed_to(hospital, sop_class, syntax):
    endpoint = Endpoint("OVERREAD", "127.0.0.1", hospital.port)
    with (
        pytest.raises(PeerRefused, match="none of what we offer"),
        associated(endpoint, "HOSPITAL", Patience(10, 10), Offer([build_context(sop_class, syntax)])),
    ):
        pass


def test_a_truncated_object_is_refused_noted_and_not_kept(hospital, made):
    dataset = made.dataset_of(made.object(SOPInstanceUID="1.2.3"))
    answer = made.store_raw(hospital.port, dataset[:-10])
    assert (answer.Status, answer.ErrorComment) == REASONS[Reason.TRUNCATED]
    ((_, note),) = hospital.inbox.refusals(2)
    assert (note.status, note.origin, note.sop_uid) == (0xC010, "site:7", "1.2.3")
    assert "ends before its data does" in note.reason
    assert hospital.kept() == []


def test_a_refusal_names_study_and_series_of_the_object_as_far_as_it_was_read(hospital, made):
    """Without them nobody could say on the case that an image was refused, and its reader signed without it."""
    uids = {"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.7", "SeriesInstanceUID": "1.2.8"}
    dataset = made.dataset_of(made.object(**uids))
    twice = dataset.replace(series := made.element(0x0020000E, b"1.2.8\0", b"UI"), series * 2)
    made.store_raw(hospital.port, dataset[:-10])
    made.store_raw(hospital.port, dataset, announced=(made.CT, "1.2.4"))
    made.store_raw(hospital.port, twice)
    made.store_raw(hospital.port, dataset[: dataset.index(b"1.2.7")])
    notes = [note for _, note in hospital.inbox.refusals(9)]
    assert [(note.sop_uid, note.study_uid, note.series_uid) for note in notes] == [
        ("1.2.3", "1.2.7", "1.2.8"),
        ("1.2.3", "1.2.7", "1.2.8"),
        ("1.2.3", "1.2.7", ""),
        ("1.2.3", "", ""),
    ], "what is ambiguous or was not read is not invented"


def test_an_object_other_than_announced_is_refused(hospital, made):
    dataset = made.dataset_of(made.object(SOPInstanceUID="1.2.3"))
    assert made.store_raw(hospital.port, dataset, announced=(made.CT, "1.2.4")).Status == 0xA901
    mr = "1.2.840.10008.5.1.4.1.1.4"
    assert made.store_raw(hospital.port, dataset, announced=(mr, "1.2.3")).Status == 0xA900
    assert made.store_raw(hospital.port, made.element(0x00080005, b"")).Status == REASONS[Reason.MISSING_UID][0]
    assert hospital.kept() == []


def test_a_full_disk_is_told_and_over_when_there_is_room(tmp_path, made):
    port = made.free_port()
    large, small = made.object(pixels=300_000), made.object()
    with made.receiver_process(tmp_path, port, FSIZE=100_000):
        hospital = made.Hospital(tmp_path, port, made.inbox(tmp_path))
        failed = hospital.storescu(write(tmp_path / "large.dcm", large))
        assert "Received Store Response (Refused: OutOfResources)" in failed.stderr
        assert list((tmp_path / "inbox" / "tmp").iterdir()) == []
        assert hospital.kept() == []
        assert "Received Store Response (Success)" in hospital.storescu(write(tmp_path / "small.dcm", small)).stderr
        assert hospital.kept() == [made.dataset_of(small)]
        assert hospital.inbox.refusals(1) == []


def test_two_processes_share_one_port(tmp_path, made):
    port = made.free_port()
    files = [write(tmp_path / f"{number}.dcm", made.object()) for number in range(24)]
    with (
        made.receiver_process(tmp_path, port, "dicom-0") as one,
        made.receiver_process(tmp_path, port, "dicom-1") as two,
    ):
        hospital = made.Hospital(tmp_path, port, made.inbox(tmp_path))
        with ThreadPoolExecutor(4) as pool:
            sent = list(pool.map(hospital.storescu, files))
        assert all("Received Store Response (Success)" in done.stderr for done in sent)
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
    assert sorted(hospital.kept()) == sorted(made.dataset_of(path.read_bytes()) for path in files)
    assert hospital.counts()["instances"] == 24
    assert len(list((tmp_path / "counters").glob("dicom-?.json"))) == 2


def test_what_was_acknowledged_before_a_kill_is_there_and_nothing_half(tmp_path, made):
    port = made.free_port()
    files = [write(tmp_path / f"{number:03}.dcm", made.object(pixels=100_000)) for number in range(150)]
    with made.receiver_process(tmp_path, port) as victim:
        hospital = made.Hospital(tmp_path, port, made.inbox(tmp_path))
        command = ["storescu", "-v", "-aet", "HOSPITAL", "-aec", "OVERREAD", "127.0.0.1", str(port), *map(str, files)]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=os.environ | {"TCP_NODELAY": "1"}
        ) as sender:
            made.wait_for(lambda: hospital.inbox.backlog().count > 20)
            victim.kill()
            told = sender.communicate()[1].count("Received Store Response (Success)")
    kept = hospital.kept()
    sent = {made.dataset_of(path.read_bytes()) for path in files}
    assert told <= len(kept) <= told + 1 < 150
    assert set(kept) <= sent
    with made.receiver_process(tmp_path, port):
        assert list((tmp_path / "inbox" / "tmp").iterdir()) == []


def test_sigterm_stops_it_cleanly_with_associations_open(tmp_path, made):
    port = made.free_port()
    with made.receiver_process(tmp_path, port) as process:
        endpoint = Endpoint("OVERREAD", "127.0.0.1", port)
        with associated(endpoint, "HOSPITAL", Patience(10, 10), Offer([build_context(made.CT)])) as association:
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
            made.wait_for(lambda: not association.is_established)
    assert (tmp_path / "dicom-0.log").read_text().rstrip().endswith("ended")
    assert not made.answers(port)


def test_the_limit_of_associations_is_told_as_transient(tmp_path, made):
    with made.receiving(tmp_path, max_associations=1) as hospital:
        endpoint = Endpoint("OVERREAD", "127.0.0.1", hospital.port)
        with associated(endpoint, "HOSPITAL", Patience(10, 10), Offer([build_context(made.CT)])):
            told = echo(made, hospital).stderr
            assert "Rejected Transient" in told
            assert "Local Limit Exceeded" in told
        made.wait_for(lambda: echo(made, hospital).returncode == 0)


def test_mute_and_lying_connections_do_not_keep_others_out(tmp_path, made):
    with made.receiving(tmp_path, limits=Limits(request_seconds=0.5)) as hospital:
        silent = [socket.create_connection(("127.0.0.1", hospital.port)) for _ in range(20)]
        try:
            for number, connection in enumerate(silent):
                lie = struct.pack(">BBL", 1, 0, 0xF0000000) if number % 2 else b"\1\0\0"
                connection.sendall(lie)
            assert echo(made, hospital).returncode == 0
            for connection in silent:
                connection.settimeout(10)
                assert connection.recv(64)[:1] in {b"", b"\7"}  # closed or aborted
        finally:
            for connection in silent:
                connection.close()


def test_an_object_that_follows_the_acceptance_at_once_is_taken(tmp_path, made, monkeypatch):
    """Once, on a busy machine, the first PDU was refused: another thread had not noted the acceptance yet."""
    send_accept = ACSE.send_accept

    def accept_and_dawdle(acse):
        send_accept(acse)
        time.sleep(0.3)

    monkeypatch.setattr(ACSE, "send_accept", accept_and_dawdle)
    with made.receiving(tmp_path) as hospital:
        sent = hospital.storescu(write(tmp_path / "large.dcm", made.object(pixels=900_000)))
        assert sent.returncode == 0, sent.stderr
        assert len(hospital.kept()) == 1


def test_an_object_beyond_the_limit_ends_the_association_and_leaves_nothing(tmp_path, made):
    with made.receiving(tmp_path, limits=Limits(object_bytes=200_000)) as hospital:
        sent = hospital.storescu(write(tmp_path / "large.dcm", made.object(pixels=900_000)))
        assert sent.returncode != 0
        assert hospital.kept() == []
        assert echo(made, hospital).returncode == 0


def test_an_object_that_the_archive_could_not_give_back_is_refused_and_the_next_is_taken(hospital, made, tmp_path):
    """Orthanc stored it, took three times its size in memory, and what came after it was not let go."""
    hospital.receiver._door.inbox.largest = 200_000
    large, small = made.object(pixels=900_000), made.object()
    sent = hospital.storescu(write(tmp_path / "1.dcm", large), write(tmp_path / "2.dcm", small), options=("--no-halt",))
    assert "CannotUnderstand" in sent.stderr
    assert hospital.kept() == [made.dataset_of(small)]
    ((_, refusal),) = hospital.inbox.refusals(10)
    assert (refusal.status, refusal.reason) == (0xC016, "The object is larger than the archive behind can give back")
    assert refusal.study_uid


def test_what_happened_is_counted(hospital, made, tmp_path):
    part10 = made.object()
    hospital.storescu(write(tmp_path / "one.dcm", part10))
    made.store_raw(hospital.port, made.element(0x00080005, b""))
    echo(made, hospital)
    echo(made, hospital, calling="NOBODY")
    made.wait_for(lambda: hospital.saved().get("rejected_calling_ae"))
    counts = hospital.saved()
    assert (counts["associations"], counts["instances"], counts["refused"], counts["echoes"]) == (3, 1, 1, 1)
    assert counts["bytes"] == len(made.dataset_of(part10))


def test_a_study_counts_as_being_sent_as_long_as_its_association_is_open(hospital, made):
    dataset = made.dataset_of(made.object(SOPInstanceUID="1.2.3", StudyInstanceUID="1.2.9"))
    with made.RawPeer(hospital.port, {1: (made.CT, ExplicitVRLittleEndian)}) as peer:
        peer.store(dataset, made.store_command())
        assert peer.status() == 0
        hospital.saved()
        assert being_sent(hospital.folder / "counters") == {("site:7", "1.2.9")}
    made.wait_for(lambda: hospital.saved() and not being_sent(hospital.folder / "counters"))


def test_memory_does_not_grow_with_the_object(tmp_path, made):
    port = made.free_port()
    contexts = {1: (made.CT, ExplicitVRLittleEndian)}
    with made.receiver_process(tmp_path, port) as process, made.RawPeer(port, contexts) as peer:
        small = made.dataset_of(made.object(SOPInstanceUID="1.2.3", pixels=0))
        peer.store(small, made.store_command())
        assert peer.status() == 0
        before, most, piece = resident(process.pid), 0, bytes(1 << 17)
        peer.send((1, 3, made.store_command()))
        peer.send((1, 0, small + b"\xe0\x7f\x10\0OW\0\0" + struct.pack("<L", 2400 << 17)))
        for number in range(2400):
            peer.send((1, 2 if number == 2399 else 0, piece))
            most = max(most, resident(process.pid) - before)
        assert peer.status() == 0
        assert max(most, resident(process.pid) - before) < 30e6


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def strangers_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("AcceptorThread")]


def test_a_stranger_that_hangs_up_leaves_no_thread_behind(tmp_path, made, wait_for):
    """It waited until the time for an association request was over, though nobody was there to send one."""
    with made.receiving(tmp_path, limits=Limits(request_seconds=600)) as hospital:
        before = len(strangers_threads())
        with socket.create_connection(("127.0.0.1", hospital.port)):
            wait_for(lambda: len(strangers_threads()) > before)
        wait_for(lambda: len(strangers_threads()) == before)


def test_a_stranger_does_not_hold_up_the_end_of_a_receiver(tmp_path, made, wait_for):
    receiving = made.receiving(tmp_path, limits=Limits(request_seconds=600), stop_seconds=600)
    hospital = receiving.__enter__()
    with socket.create_connection(("127.0.0.1", hospital.port)) as silent:
        wait_for(lambda: hospital.receiver._live())
        stopping = threading.Thread(target=receiving.__exit__, args=(None, None, None), daemon=True)
        stopping.start()
        stopping.join(30)
        assert not stopping.is_alive()
        assert silent.recv(1) == b""
