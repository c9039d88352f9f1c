"""Earlier studies by DICOMweb: a real Orthanc as the hospital's archive, and web servers that are not what they say."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gateway.archives import Archives, archives_of
from gateway.peer_calls import call_archive
from gateway.sites import Receiver, let_be_asked
from gateway.ways import ways_of
from scp.asked import CalledOff, Listed, Patient, Wanted
from scp.requesting import PeerRefused, PeerUnavailable
from worklist.models import Peer, Site
from worklist.states import Retrieval

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
PAT = Patient("P-WEB", "HOSPITAL", "Sample^Pat", "19600101")
CT = "1.2.840.10008.5.1.4.1.1.2"
LISTED = (Listed("1.2.1.1.1", CT, "1.2.1.1"),)


@pytest.fixture
def archives(world) -> Archives:
    return archives_of(world.settings, ways_of(world.settings), world.inbox).patient(3)


@pytest.fixture
def orthanc(own_archive_server) -> Iterator[Any]:
    """The hospital's archive: `orthanc.url`, and `orthanc.hold(part10)`."""

    class Hospital:
        url = f"{own_archive_server.url}/dicom-web"

        def hold(self, *objects: bytes) -> None:
            import base64

            known = base64.b64encode(f"overread:{own_archive_server.password}".encode()).decode()
            for each in objects:
                request = urllib.request.Request(f"{own_archive_server.url}/instances", each, method="POST")
                request.add_header("Authorization", f"Basic {known}")
                urllib.request.urlopen(request, timeout=20).read()

        def authorization(self) -> str:
            import base64

            return "Basic " + base64.b64encode(f"overread:{own_archive_server.password}".encode()).decode()

    return Hospital()


@pytest.fixture
def web_peer(archives) -> Callable[..., Peer]:
    """The row of an archive at a URL."""

    def of(url: str, access: str = "") -> Peer:
        sealed = archives.ways.safe.seal(access, url)
        return Peer(id=1, ae_title="", base_url=url, retrieval=Retrieval.WEB, access=sealed)

    return of


def wanted(listed: tuple[Listed, ...], **more: Any) -> Wanted:
    return Wanted(**{"study_uid": "1.2.1", "origin": "site:1", "listed": listed, "goes_on": lambda: True} | more)


def test_a_real_archive_shows_and_sends_the_studies_of_a_patient(world, archives, orthanc, web_peer) -> None:
    said = {"PatientID": "P-WEB", "StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1"}
    objects = [world.make(**said, SOPInstanceUID=f"1.2.1.1.{number}") for number in range(1, 4)]
    orthanc.hold(*objects, world.make(PatientID="P-OTHER", StudyInstanceUID="1.2.2"))
    peer = web_peer(orthanc.url, orthanc.authorization())
    assert call_archive(archives, peer).good
    archive = archives.of(peer)
    (found,) = archive.studies_of(PAT)
    assert (found.study_uid, found.patient.name, found.patient.birth_date) == ("1.2.1", "Sample^Pat", "19600101")
    assert (found.modalities, found.images, found.date) == (("CT",), 3, "20261120")
    listed = archive.instances_of("1.2.1")
    assert {one.sop_uid for one in listed} == {"1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3"}
    assert archive.fetch(wanted(listed, here=frozenset({"1.2.1.1.1"}))) == 0
    entries = world.inbox.waiting(9)
    assert sorted(one.arrival.sop_uid for one in entries) == ["1.2.1.1.2", "1.2.1.1.3"], "the other one is here"
    assert {(one.arrival.origin, one.arrival.fetched, one.arrival.sender) for one in entries} == {
        ("site:1", "fetched", "DICOMweb")
    }
    assert {world.inbox.read(one).part10 for one in entries} <= {_as_kept(each) for each in objects}


def _as_kept(part10: bytes) -> bytes:
    from scp.part10 import file_head, split_part10
    from scp.screen import screen

    syntax, dataset = split_part10(part10)
    one = screen(dataset, syntax)
    return file_head(one.sop_class_uid, one.sop_uid, syntax) + bytes(dataset)


def test_an_image_that_is_gone_is_counted_and_one_that_nobody_wants_is_not_fetched(
    world, archives, orthanc, web_peer
) -> None:
    said = {"PatientID": "P-WEB", "StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1"}
    orthanc.hold(world.make(**said, SOPInstanceUID="1.2.1.1.1"))
    archive = archives.of(web_peer(orthanc.url, orthanc.authorization()))
    assert archive.fetch(wanted((*LISTED, Listed("1.2.1.1.9", CT, "1.2.1.1")))) == 1
    with pytest.raises(CalledOff):
        archive.fetch(wanted(LISTED, goes_on=lambda: False))
    assert len(world.inbox.waiting(9)) == 1


def test_a_wrong_password_is_said(archives, orthanc, web_peer) -> None:
    verdict = call_archive(archives, web_peer(orthanc.url, "Basic d3Jvbmc6d3Jvbmc="))
    assert not verdict.good
    assert "does not accept our credentials" in verdict.words


def test_credentials_go_by_https_alone_and_only_one_archive_is_asked(world, people, archives) -> None:
    site_id = people.site()
    with world.database.writing() as session:
        site = session.get_one(Site, site_id)
        let_be_asked(session, site, Receiver.parse("PACS@10.0.0.5:104"), Retrieval.GET)
        let_be_asked(session, site, Receiver.parse("https://pacs.example/dicom-web"), Retrieval.WEB)
        session.expire(site, ["peers"])
        assert [each.address for each in site.peers if each.retrieval] == ["https://pacs.example/dicom-web"]


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Same(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Same) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/dicom-web"
        server.shutdown()


def says(body: bytes, kind: str = "application/dicom+json", status: int = 200, **headers: str):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def in_a_part(part10: bytes) -> tuple[bytes, str]:
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part10 + b"\r\n--b--\r\n"
    return body, 'multipart/related; type="application/dicom"; boundary=b'


def test_answers_without_end_a_redirect_and_nonsense_are_refused(archives, web_peer) -> None:
    study = {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}
    for answer, words in (
        (says(json.dumps([study] * 501).encode()), "more than 500 matches"),
        (says(b"", status=302, Location="http://127.0.0.1:9/elsewhere"), "another address"),
        (says(b"<html>", "text/html"), "does not answer as DICOMweb"),
        (says(b'[["a"]]'), "does not answer as DICOMweb"),
        (says(b'[{"0020000D": 7}]'), "does not answer as DICOMweb"),
        (says(b"[" * 100_000), "does not answer as DICOMweb"),
        (says(b" " * (33 << 20)), "far more than was asked for"),
    ):
        with answering(answer) as url, pytest.raises(PeerRefused, match=words):
            archives.of(web_peer(url)).studies_of(PAT)


def test_text_that_no_database_takes_is_not_taken_for_text(world, archives, web_peer) -> None:
    """A search whose answer could not be written down was asked again every two minutes, for ever."""
    study = {
        "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
        "00081030": {"vr": "LO", "Value": ["half a pair \ud800, a NUL \0 and more"]},
    }
    with answering(says(json.dumps([study]).encode())) as url:
        (found,) = archives.of(web_peer(url)).studies_of(PAT)
    assert found.description == "half a pair ?, a NUL   and more"


def test_an_archive_that_knows_no_pages_is_not_asked_without_end(archives, web_peer) -> None:
    page = [
        {"00080018": {"vr": "UI", "Value": [f"1.2.{number}"]}, "0020000E": {"vr": "UI", "Value": ["1.2"]}}
        for number in range(1000)
    ]
    with answering(says(json.dumps(page).encode())) as url:
        assert len(archives.of(web_peer(url)).instances_of("1.2.1")) == 1000


def test_only_the_image_that_was_asked_for_is_taken(world, archives, web_peer) -> None:
    said = {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1", "SOPInstanceUID": "1.2.1.1.1"}
    right, other = world.make(**said), world.make(**said | {"StudyInstanceUID": "1.2.2"})
    for part10, words in ((other, "another image"), (right[:-7], "do not take"), (b"no image", "do not take")):
        body, kind = in_a_part(part10)
        with answering(says(body, kind)) as url, pytest.raises(PeerRefused, match=words):
            archives.of(web_peer(url)).fetch(wanted(LISTED))
    with answering(says(b"", status=302, Location="http://127.0.0.1:9/x")) as url, pytest.raises(PeerRefused):
        archives.of(web_peer(url)).fetch(wanted(LISTED))
    assert world.inbox.waiting(9) == []
    body, kind = in_a_part(right)
    with answering(says(body, kind)) as url:
        assert archives.of(web_peer(url)).fetch(wanted(LISTED)) == 0
    assert [one.arrival.sop_uid for one in world.inbox.waiting(9)] == ["1.2.1.1.1"]


def test_an_image_that_trickles_is_given_up_in_the_end(archives, web_peer) -> None:
    def trickles(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\r\n")
        while True:
            handler.wfile.write(b"\0")
            threading.Event().wait(0.05)

    with answering(trickles) as url, pytest.raises(PeerUnavailable, match="did not finish its answer within 2 seconds"):
        archives.patient(0.5).of(web_peer(url)).fetch(wanted(LISTED))
