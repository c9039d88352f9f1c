"""A hospital takes its reports by DICOMweb: as sure as by C-STORE, and nobody reads what it lets us in by."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from config.settings import load_settings
from gateway.credentials import Safe, Unopened, authorization
from gateway.delivery import Delivering
from gateway.installation import read_secrets
from gateway.peer_calls import ADVICE, call
from gateway.site_words import BadPeer
from gateway.sites import Receiver, put_site
from gateway.ways import Ways, ways_of
from gateway.web_calls import LARGEST_ANSWER
from orthanc import server as orthanc_server
from scp.sender import Failure
from worklist.models import Case, Delivery, Peer, Report, Site
from worklist.states import CaseState, DeliveryState

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
PASSWORD = "kept-to-ourselves"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for this machine, its own authority, with its key beside it (.key)."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    day = timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, datetime.now(UTC) - day, datetime.now(UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(key, SHA256())
    )
    file = tmp_path / "hospital.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    file.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


# Debian's Orthanc ends with a segmentation fault at its first https request: TLS ends before it, as in hospitals.
TLS_IN_FRONT = """
import asyncio, ssl, sys
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1], sys.argv[2])
async def copy(source, target):
    while data := await source.read(65536):
        target.write(data)
    target.close()
async def carry(source, target):
    archive = await asyncio.open_connection("127.0.0.1", int(sys.argv[4]))
    await asyncio.gather(copy(source, archive[1]), copy(archive[0], target), return_exceptions=True)
async def main():
    server = await asyncio.start_server(carry, "127.0.0.1", int(sys.argv[3]), ssl=context)
    await server.serve_forever()
asyncio.run(main())
"""


class Hospital:
    """A hospital's archive: a real Orthanc behind https, which answers to whoever knows its password."""

    def __init__(self, folder: Path, port: int, archive_port: int, certificate: Path) -> None:
        self.folder, self.port, self.archive_port, self.certificate = folder, port, archive_port, certificate
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/dicom-web"

    def start(self) -> None:
        command = orthanc_server.command(orthanc_server.write_configuration(self.folder, self.archive_port, PASSWORD))
        files = [str(self.certificate), str(self.certificate.with_suffix(".key"))]
        front = [sys.executable, "-c", TLS_IN_FRONT, *files, str(self.port), str(self.archive_port)]
        with (self.folder / "log").open("a") as log:
            for argv in (command.argv, front):
                self.processes.append(subprocess.Popen(argv, env=command.environment, stdout=log, stderr=log))
        archive = f"http://127.0.0.1:{self.archive_port}"
        orthanc_server.wait_until_ready(archive, orthanc_server.USERNAME, PASSWORD, 30)

    def kill(self) -> None:
        for each in self.processes:
            each.send_signal(signal.SIGKILL)
            each.wait(20)


@pytest.fixture
def hospital(tmp_path: Path, free_port, certificate: Path):
    folder = tmp_path / "hospital"
    folder.mkdir()
    made = Hospital(folder, free_port(), free_port(), certificate)
    yield made
    made.kill()


@pytest.fixture
def ways(world, certificate: Path) -> Ways:
    """Ours, which trust the hospital's authority."""
    files = {"certificate": str(certificate), "key": str(certificate.with_suffix(".key")), "ca": str(certificate)}
    return ways_of(load_settings(world.settings.data, None, dicom={"tls": files})).patient(10)


@pytest.fixture
def signed(world, people, ways):
    """`signed(url, password="")`: a published report of a case whose site receives by DICOMweb there; the case's id."""

    def make(url: str, password: str = "", proof: str = "query") -> int:
        site_id, reader = people.site(), people.reader()
        access = authorization(orthanc_server.USERNAME, password) if password else ""
        with world.database.writing() as session:
            receiver = Receiver.parse(url, proof).allowed(access, ways.safe)
            put_site(session, session.get_one(Site, site_id).code, "A Hospital", [], [receiver])
        case_id = world.held_case(reader, site_id)
        world.sign(reader, case_id)
        assert world.publishing().step()
        return case_id

    return make


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str):
    """A web server that says the same to everything; its URL."""

    class Same(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Same) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/dicom-web"
        server.shutdown()


@contextmanager
def trickling(head: bytes):
    """A web server that says `head`, and then a space before each patience with it runs out; its URL."""
    over = threading.Event()

    class Trickles(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.wfile.write(head)
            with suppress(OSError):
                while not over.wait(0.05):
                    self.wfile.write(b" ")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Trickles) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/dicom-web"
        over.set()
        server.shutdown()


def delivered(world, ways) -> Delivery:
    """The one delivery, after an attempt."""
    world.make_due(Delivery)
    assert Delivering(world.database, ways, world.due_deliveries()).step()
    with world.database.reading() as session:
        return session.query(Delivery).one()


def the_peer(world) -> Peer:
    with world.database.reading() as session:
        return session.query(Peer).filter(Peer.receives_reports).one()


def sop_uids(world) -> tuple[str, list[str]]:
    with world.database.reading() as session:
        report = session.query(Report).one()
        return report.study.study_uid, [report.sr_uid, report.pdf_uid]


def test_a_report_waits_for_a_hospital_that_is_down_and_is_proven_by_a_query(
    world, signed, hospital, ways, wait_for, caplog
) -> None:
    case_id = signed(hospital.url, PASSWORD)
    first = delivered(world, ways)
    assert (first.state, first.destination) == (DeliveryState.PENDING, hospital.url)
    assert "nothing listens" in first.last_error
    assert "Traceback" not in caplog.text
    assert "Attempts" not in caplog.text, "a library wrote each failure with its traceback"
    hospital.start()
    wait_for(lambda: call(ways, the_peer(world)).good, what="the hospital")
    proven = delivered(world, ways)
    assert (proven.state, proven.last_error) == (DeliveryState.PROVEN, "")
    assert "query" in proven.proof
    assert ways.to(the_peer(world)).has_instances(*sop_uids(world))
    study_uid, _ = sop_uids(world)
    assert not ways.to(the_peer(world)).has_instances(study_uid, ["1.2.3"])
    with world.database.reading() as session:
        assert session.get_one(Case, case_id).state is CaseState.DELIVERED


def test_a_hospital_that_offers_no_query_has_it_when_it_names_both_objects(
    world, signed, hospital, ways, wait_for
) -> None:
    hospital.start()
    signed(hospital.url, PASSWORD, proof="status")
    wait_for(lambda: call(ways, the_peer(world)).good, what="the hospital")
    assert "Named as stored" in delivered(world, ways).proof


def test_a_wrong_password_needs_a_person_and_is_said_to_the_one_who_tests_it(
    world, signed, hospital, ways, wait_for
) -> None:
    hospital.start()
    signed(hospital.url, "wrong")
    wait_for(lambda: "credentials" in call(ways, the_peer(world)).words, what="the hospital")
    assert call(ways, the_peer(world)).advice == ADVICE[Failure.LOGIN]
    refused = delivered(world, ways)
    assert refused.state is DeliveryState.NEEDS_PERSON
    assert "does not accept our credentials" in refused.last_error
    assert "wrong" not in refused.last_error


def test_a_certificate_of_nobody_we_know_is_not_trusted(world, signed, hospital, wait_for) -> None:
    hospital.start()
    signed(hospital.url, PASSWORD)
    strict = ways_of(world.settings).patient(10)
    wait_for(lambda: "certificate" in call(strict, the_peer(world)).words, what="the hospital")
    assert call(strict, the_peer(world)).advice == ADVICE[Failure.CERTIFICATE]


def failed(reason: int) -> bytes:
    item = {
        "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.88.33"]},
        "00081155": {"vr": "UI", "Value": ["1.2.3"]},
        "00081197": {"vr": "US", "Value": [reason]},
    }
    return json.dumps({"00081198": {"vr": "SQ", "Value": [item]}}).encode()


AS_JSON = {"Content_Type": "application/dicom+json; charset=utf-8"}
ANSWERS: list[tuple[int, bytes, dict[str, str], DeliveryState, str]] = [
    (503, b"", {}, DeliveryState.PENDING, "just now"),
    (302, b"", {"Location": "http://127.0.0.1:9/"}, DeliveryState.NEEDS_PERSON, "another address"),
    (404, b"<html>", {"Content_Type": "text/html"}, DeliveryState.NEEDS_PERSON, "no DICOMweb"),
    (409, failed(0xA700), AS_JSON, DeliveryState.PENDING, "out of resources"),
    (409, failed(0xC000), AS_JSON, DeliveryState.NEEDS_PERSON, "cannot understand"),
    (202, failed(0x0110), AS_JSON, DeliveryState.NEEDS_PERSON, "failed to store"),
    (200, b"<html>", {"Content_Type": "text/html"}, DeliveryState.PENDING, "does not say"),
    (200, b"{}", AS_JSON, DeliveryState.PENDING, "does not say"),
    (200, b"[1", AS_JSON, DeliveryState.NEEDS_PERSON, "does not answer as DICOMweb"),
]


def test_an_answer_that_names_not_both_objects_as_stored_proves_nothing(world, signed, ways) -> None:
    signed("http://127.0.0.1:9/dicom-web", proof="status")
    for status, body, headers, state, said in ANSWERS:
        with answering(status, body, **headers) as url:
            with world.database.writing() as session:
                session.query(Peer).one().base_url = url
                session.query(Delivery).one().state = DeliveryState.PENDING
            tried = delivered(world, ways)
        assert (tried.state, said in tried.last_error) == (state, True), (status, body, tried.last_error)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX-Patience:",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["in its headers", "in its body", "in a body without a length"],
)
def test_an_answer_that_trickles_does_not_hold_up_the_deliveries_to_others(world, signed, ways, head: bytes) -> None:
    """Each byte came in time, so that the answer was waited for without end."""
    with trickling(head) as url:
        signed(url, proof="status")
        tried = delivered(world, ways.patient(0.2))
    assert tried.state is DeliveryState.PENDING
    assert "did not finish its answer within 2 seconds" in tried.last_error


def test_an_answer_without_end_is_not_read_into_memory(world, signed, ways) -> None:
    signed("http://127.0.0.1:9/dicom-web", proof="status")
    with answering(200, b" " * (LARGEST_ANSWER + 1), **AS_JSON) as url:
        with world.database.writing() as session:
            session.query(Peer).one().base_url = url
        assert "far more than was asked for" in delivered(world, ways).last_error


def test_credentials_lie_sealed_for_their_address_and_go_by_https_only(world, signed, ways, hospital) -> None:
    signed(hospital.url, PASSWORD)
    peer = the_peer(world)
    known = authorization(orthanc_server.USERNAME, PASSWORD)
    assert ways.safe.open(peer.access, hospital.url) == known
    assert known.removeprefix("Basic ") not in f"{peer.access}{ways.to(peer)!r}{ways!r}"
    with pytest.raises(Unopened):
        ways.safe.open(peer.access, "https://elsewhere.example")
    with pytest.raises(BadPeer, match="https"):
        Receiver.parse("http://127.0.0.1:1/dicom-web").allowed(known, ways.safe)
    with world.database.writing() as session:  # as whoever can write into the database might
        session.query(Peer).one().base_url = "https://127.0.0.1:9"
    assert "Enter them again" in delivered(world, ways).last_error


def test_it_is_entered_tested_and_removed_on_the_hospitals_page(web: Any, people: Any, hospital) -> None:
    who = people.coordinator()

    def post(path: str, **fields: str) -> Any:
        return web.ask(who, "POST", path, data=fields)

    def access() -> list[str]:
        with web.database.reading() as session:
            return [each.access for each in session.query(Peer)]

    post("/sites", code="A", name="A")
    entered = {"receiver": f"{hospital.url}/", "proof": "query", "user": "overread", "secret": PASSWORD}
    assert post("/sites/1/receiver", **entered).status_code == 303
    before = access()
    shown = web.ask(who, "GET", "/sites/1").text
    assert hospital.url in shown
    assert "By DICOMweb" in shown
    assert "with credentials" in shown
    assert PASSWORD not in shown
    assert before[0] not in shown
    assert post("/sites/1/receiver", receiver=hospital.url, proof="status").status_code == 303
    assert access() == before, "what was entered before stays"
    wrong = post("/sites/1/receiver", receiver="http://10.1.2.3/dicom-web", user="overread", secret=PASSWORD)
    assert wrong.status_code == 400
    assert "https" in wrong.text
    assert PASSWORD not in wrong.text
    assert "nothing listens" in post("/sites/1/peers/1/test").text
    assert hospital.url in web.ask(who, "GET", "/sites").text
    assert post("/sites/1/peer-gone", peer="1").status_code == 303
    assert access() == []


def test_two_installations_open_nothing_of_each_other(ways, world) -> None:
    sealed = ways.safe.seal("Bearer abc", "https://a.example")
    assert sealed != ways.safe.seal("Bearer abc", "https://a.example"), "the same never looks the same"
    with pytest.raises(Unopened):
        Safe.of(replace(read_secrets(world.folders), session_key="another")).open(sealed, "https://a.example")
