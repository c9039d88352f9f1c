"""What the archive's adapter promises, against a real Orthanc."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orthanc.archive import Archive
from orthanc.cache import Archived, ReadCache
from orthanc.errors import AlteredInArchive, ArchiveConflict, ArchiveRefused, ArchiveUnavailable, NotInArchive
from orthanc.place import variants
from orthanc.server import probe
from orthanc.wire import Body

ABSENT = "-".join(["00000000"] * 5)


@pytest.fixture
def archive(archive_server):
    opened = archive_server.archive(timeout=20)
    yield opened
    opened.close()


def test_what_was_stored_comes_back_byte_for_byte(archive, samples):
    part10 = samples.made(study=samples.fresh_uid())
    archive_id = archive.store(part10, samples.md5(part10))
    assert archive.md5(archive_id) == samples.md5(part10)
    assert archive.verify(archive_id)
    assert archive.fetch(archive_id) == part10
    assert b"".join(archive.stream(archive_id)) == part10


def test_storing_again_is_a_success_with_the_same_id(archive, samples):
    part10 = samples.made(study=samples.fresh_uid())
    first = archive.store(part10, samples.md5(part10))
    assert archive.store(part10, samples.md5(part10)) == first


def second(samples):
    """Two contents under the same identifiers."""
    study = samples.fresh_uid()
    return samples.made(study=study), samples.made(study=study, PixelData=b"\7" * 32)


def test_other_content_under_the_same_identifiers_is_kept_beside_the_first(archive, samples):
    """Once it was a conflict: whoever came first, with whatever, displaced the hospital's image."""
    first, other = second(samples)
    archive_id = archive.store(first, samples.md5(first))
    beside = archive.store(other, samples.md5(other))
    assert beside.startswith(f"{archive_id}/")
    assert (archive.fetch(archive_id), archive.fetch(beside)) == (first, other)
    assert b"".join(archive.stream(beside)) == other
    assert archive.md5(beside) == samples.md5(other)
    assert archive.verify(beside)
    assert archive.store(other, samples.md5(other)) == beside
    assert archive.store(first, samples.md5(first)) == archive_id


def test_a_number_that_other_content_has_is_left_to_it(archive, samples):
    first, other = second(samples)
    archive_id = archive.store(first, samples.md5(first))
    taken = next(variants(archive_id, samples.md5(other)))
    archive._wire.read("PUT", taken.path, body=Body.of(b"what somebody else keeps here"))
    beside = archive.store(other, samples.md5(other))
    assert (archive.fetch(str(taken)), archive.fetch(beside)) == (b"what somebody else keeps here", other)


def test_of_two_who_want_one_number_neither_overwrites_the_other(archive, samples):
    first, other = second(samples)
    place = next(variants(archive.store(first, samples.md5(first)), samples.md5(other)))
    archive._attach(place, Body.of(b"the faster one"))
    archive._attach(place, Body.of(b"the slower one"))
    assert archive.fetch(str(place)) == b"the faster one"


def test_what_is_kept_beside_an_instance_is_not_deleted_with_it(archive, samples):
    first, other = second(samples)
    archive_id, beside = archive.store(first, samples.md5(first)), archive.store(other, samples.md5(other))
    with pytest.raises(ArchiveConflict):
        archive.delete(archive_id)
    assert archive.fetch(beside) == other
    archive.delete(beside)
    archive.delete(beside)
    assert archive.fetch(archive_id) == first
    archive.delete(archive_id)
    with pytest.raises(NotInArchive):
        archive.fetch(archive_id)


@pytest.mark.parametrize("part10", [b"", b"no DICOM at all", b"\0" * 128 + b"DICM"])
def test_what_is_no_dicom_is_refused_for_ever(archive, samples, part10):
    with pytest.raises(ArchiveRefused):
        archive.store(part10, samples.md5(part10))


@pytest.mark.parametrize(
    "archive_id",
    [ABSENT, *(f"{ABSENT}/{number}" for number in (1023, 1024, 65536)), "", "../../system", "a/b", "%2e%2e"],
)
def test_what_is_not_there_is_not_in_the_archive(archive, archive_id):
    with pytest.raises(NotInArchive):
        archive.fetch(archive_id)
    with pytest.raises(NotInArchive):
        list(archive.stream(archive_id))
    with pytest.raises(NotInArchive):
        archive.md5(archive_id)


def blob(archive_server, part10):
    """Where Orthanc keeps these bytes on its disk."""
    (found,) = (file for file in archive_server.folder.rglob("*-*") if file.is_file() and file.read_bytes() == part10)
    return found


DAMAGE = {
    "emptied": lambda file: file.write_bytes(b""),
    "changed": lambda file: file.write_bytes(file.read_bytes()[:-1] + b"?"),
    "gone": lambda file: file.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_the_archives_disk_lost_is_noticed_and_stored_anew(archive, archive_server, samples, damage):
    """Its index said that it was there, and its cache in memory even gave the bytes."""
    part10 = samples.made(study=samples.fresh_uid())
    archive_id = archive.store(part10, samples.md5(part10))
    damage(blob(archive_server, part10))
    assert archive.md5(archive_id) == samples.md5(part10)
    assert not archive.verify(archive_id)
    assert archive.store(part10, samples.md5(part10)) == archive_id
    assert archive.verify(archive_id)
    assert archive.fetch(archive_id) == part10


class LaterOrthanc(BaseHTTPRequestHandler):
    """What 1.13.0 answers for a file that its disk has otherwise, as recorded; 1.10 and 1.12 give it as it is."""

    SAID = (
        b'{"Details":"","HttpError":"Internal Server Error","HttpStatus":500,"Message":"Corrupted file '
        b'(e.g. inconsistent MD5 hash)","Method":"GET","OrthancError":"Corrupted file (e.g. inconsistent MD5 hash)",'
        b'"OrthancStatus":20,"Uri":"/instances/0/attachments/dicom/data"}'
    )

    def do_GET(self):
        self.send_response(500)
        self.send_header("Content-Length", str(len(self.SAID)))
        self.end_headers()
        self.wfile.write(self.SAID)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_said):
        pass


def test_a_later_orthanc_that_says_itself_that_a_file_was_changed_is_understood(tmp_path):
    """It was taken for one that does not answer, so that nobody was told and nothing was stored anew."""
    told = []
    with ThreadingHTTPServer(("127.0.0.1", 0), LaterOrthanc) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        archive = Archive(f"http://127.0.0.1:{server.server_port}", "overread", "x", timeout=5)
        with pytest.raises(AlteredInArchive):
            archive.fetch(ABSENT)
        assert not archive.verify(ABSENT)
        with pytest.raises(AlteredInArchive):
            ReadCache(tmp_path / "cache", 1 << 20, archive, altered=told.append).get("0" * 64, ABSENT)
        assert told == [Archived("0" * 64, ABSENT)]
        archive.close()
        server.shutdown()


def test_a_damaged_file_beside_which_others_are_kept_is_stored_beside_them(archive, archive_server, samples):
    first, other = second(samples)
    archive_id, beside = archive.store(first, samples.md5(first)), archive.store(other, samples.md5(other))
    for part10 in (first, other):
        blob(archive_server, part10).write_bytes(b"")
    stored = archive.store(first, samples.md5(first)), archive.store(other, samples.md5(other))
    assert stored[0] not in {archive_id, beside}
    assert stored[1] == beside
    assert [archive.fetch(each) for each in stored] == [first, other]


def test_deleting_twice_is_no_error(archive, samples):
    part10 = samples.made(study=samples.fresh_uid())
    archive_id = archive.store(part10, samples.md5(part10))
    archive.delete(archive_id)
    archive.delete(archive_id)
    with pytest.raises(NotInArchive):
        archive.fetch(archive_id)


def test_many_threads_store_through_few_connections(archive_server, samples):
    study = samples.fresh_uid()
    files = [samples.made(number, study) for number in range(24)]
    archive = archive_server.archive(connections=3)
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda part10: archive.store(part10, samples.md5(part10)), files))
    assert [archive.fetch(archive_id) for archive_id in ids] == files
    archive.close()


def test_it_says_which_orthanc_it_is_and_what_it_holds(archive, samples):
    part10 = samples.made(study=samples.fresh_uid())
    archive.store(part10, samples.md5(part10))
    info = archive.probe()
    assert info.version == probe().version
    assert "dicom-web" in info.plugins
    assert "gdcm" not in info.plugins
    assert archive.holdings().instances >= 1


def test_a_wrong_password_means_try_again_when_somebody_has_put_it_right(archive_server):
    with pytest.raises(ArchiveUnavailable):
        Archive(archive_server.url, "overread", "wrong").version()


def test_nobody_at_the_address_means_try_again(free_port, samples):
    archive = Archive(f"http://127.0.0.1:{free_port()}", "overread", "x", timeout=2)
    part10 = samples.made()
    for ask in (archive.version, archive.probe, archive.holdings, lambda: archive.store(part10, "")):
        with pytest.raises(ArchiveUnavailable):
            ask()


def test_an_orthanc_killed_in_mid_post_means_try_again_and_nothing_is_lost(own_archive_server, samples):
    large = samples.made(study=samples.fresh_uid(), NumberOfFrames=1_500_000, PixelData=bytes(48_000_000))
    archive = own_archive_server.archive(timeout=20)
    killer = threading.Timer(0.02, own_archive_server.kill)
    killer.start()
    with suppress(ArchiveUnavailable):  # or it was faster than the kill: a success then
        archive.store(large, samples.md5(large))
    killer.join()
    with pytest.raises(ArchiveUnavailable):
        archive.version()
    own_archive_server.start()
    archive_id = archive.store(large, samples.md5(large))
    assert archive.fetch(archive_id) == large
    archive.close()


def answering(answer: bytes) -> tuple[str, threading.Thread]:
    """A peer that takes one request and gives this answer, as an archive that breaks would."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as peer:
            peer.settimeout(10)
            peer.recv(65536)
            peer.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ncut off",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"Status":"Success"}',
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_a_yes_without_a_stored_instance_is_no_success(samples, answer):
    url, thread = answering(answer)
    archive = Archive(url, "overread", "x", timeout=5)
    part10 = samples.made()
    with pytest.raises((ArchiveUnavailable, NotInArchive)):
        archive.store(part10, samples.md5(part10))
    thread.join()
    archive.close()


def test_a_file_cut_off_on_its_way_is_an_error_and_not_a_shorter_file():
    url, thread = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")
    archive = Archive(url, "overread", "x", timeout=5)
    with pytest.raises(ArchiveUnavailable):
        list(archive.stream(ABSENT))
    thread.join()
    archive.close()


def test_a_kept_connection_that_the_archive_lets_go_just_now_costs_nothing(free_port):
    """A busy machine stored nothing any more: of eight kept connections one was always gone when it was used again."""
    port = free_port()
    said = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"Version":"1"}'

    def serve(listener):
        for number in range(2):
            with listener.accept()[0] as connection:
                for answer in (said, b"")[: 2 - number]:
                    connection.recv(65536)
                    connection.sendall(answer)  # nothing: hung up behind the question

    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        archive = Archive(f"http://127.0.0.1:{port}", "overread", "", connections=1, timeout=20)
        assert [archive.version(), archive.version()] == ["1", "1"]
        archive.close()
        thread.join(20)
