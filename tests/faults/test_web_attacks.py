"""Attacks on the web application as it is served: slow clients, bodies without end, strange input, copied cookies."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from config.database import Database, connect
from config.settings import load_settings
from gateway.accounts.people import NewPerson, add_person, person_by_email
from gateway.accounts.tokens import Purpose, issue
from gateway.installation import Folders, remember_start
from gateway.supervisor import die_with_parent
from worklist.models import AccessLine
from worklist.states import Role

EMAIL, PASSWORD = "nora@test.example", "correct horse battery"
MORE_THAN_THREADS = 120
LARGE = 32 << 20


@dataclass
class Served:
    """`overread serve web` of an installation without anything else."""

    port: int
    database: Database
    process: subprocess.Popen[bytes]
    token: str

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
        """One request; status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def begin(self, head: str, *, window: int = 0) -> socket.socket:
        """A connection that has said this, and is read with a small window if one is given."""
        made = socket.socket()
        if window:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        made.settimeout(20)
        made.connect(("127.0.0.1", self.port))
        made.sendall(head.encode())
        return made

    def api(self, body: bytes) -> int:
        """The status of a new case with this body."""
        said = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return self.ask("POST", "/api/v1/cases", body, **said)[0]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def prepare(folder: Path, tables: Path, port: int, archive: int) -> tuple[Path, Database, str]:
    """A data folder with one person in it, its database, and the person's token."""
    assets = folder / "assets"
    (assets / "ohif").mkdir(parents=True)
    (assets / "web").mkdir()
    (assets / "ohif" / "index.html").write_text("<html></html>")
    with (assets / "ohif" / "large.bin").open("wb") as large:
        large.truncate(LARGE)
    given = {"web": {"assets": str(assets)}, "archive": {"url": f"http://127.0.0.1:{archive}"}}
    settings = load_settings(folder / "data", None, http={"port": port}, **given)
    Folders(settings.data).make()
    shutil.copy(tables, settings.data / "overread.db")
    remember_start(settings)
    database = connect(settings.database_url)
    with database.writing() as session:
        add_person(session, NewPerson(EMAIL, "Nora", (Role.PATIENT, Role.COORDINATOR)), PASSWORD)
        return settings.data, database, issue(session, person_by_email(session, EMAIL).id, Purpose())


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
    migrated_sqlite: Path,
    free_port: Callable[[], int],
    wait_for: Callable[..., None],
) -> Iterator[Served]:
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    data, database, token = prepare(folder, migrated_sqlite, port, free_port())
    command = [sys.executable, "-m", "gateway", "serve", "web", "--data", str(data)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)
    try:
        wait_for(lambda: listens(port), 120)
        yield Served(port, database, process, token)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        database.close()


def test_slow_senders_of_the_sign_in_form_stop_nobody_else_and_are_told_to_go(served: Served) -> None:
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 99"
    head = f"POST /login HTTP/1.1\r\nHost: a\r\n{form}\r\n\r\na"
    with ExitStack() as open_ones:
        slow = [open_ones.enter_context(served.begin(head)) for _ in range(MORE_THAN_THREADS)]
        assert served.ask("GET", "/login")[0] == 200
        answers = {one.recv(12) for one in slow}
    assert answers <= {b"HTTP/1.1 408", b"HTTP/1.1 429"}
    assert b"HTTP/1.1 408" in answers


def test_slow_readers_stop_nobody_else(served: Served) -> None:
    head = "GET /ohif/large.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    with ExitStack() as open_ones:
        slow = [open_ones.enter_context(served.begin(head, window=4096)) for _ in range(MORE_THAN_THREADS)]
        assert all(one.recv(12) == b"HTTP/1.1 200" for one in slow)
        assert served.ask("GET", "/login")[0] == 200


@pytest.mark.parametrize("path", ["/api/v1/cases", "/login", "/dicom-web/studies"])
def test_a_large_body_of_nobody_is_answered_before_it_comes(served: Served, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong\r\nContent-Length: 200000000\r\n\r\n"
    with served.begin(head) as one:
        assert one.recv(12) in {b"HTTP/1.1 401", b"HTTP/1.1 413"}


BODIES = {
    "deep": (b'{"history":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "rather deep": (b'{"history":' + b"[" * 40 + b"]" * 40 + b"}", 400),
    "half a character": (b'{"history": "\\ud800"}', 400),
    "NUL": (b'{"history": "\\u0000"}', 400),
    "long text": (b'{"history": "' + b"x" * 70_000 + b'"}', 400),
    "long list": (b'{"questions": [' + b'"a",' * 2000 + b'"b"]}', 400),
    "large": (b'{"history": "' + b"x" * (1 << 20) + b'"}', 413),
    "no text": (b"\xff\xfe", 400),
}


@pytest.mark.parametrize("what", BODIES)
def test_json_that_nobody_can_use_is_refused(served: Served, what: str) -> None:
    body, status = BODIES[what]
    assert served.api(body) == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/cases/99999999999999999999", 404),
        (f"/api/v1/cases/{2**70}", 404),
        (f"/api/v1/cases/{2**31}", 404),
        ("/api/v1/cases?state=%00", 400),
        ("/api/v1/cases/1%00", 400),
        ("/dicom-web/studies?PatientName=%00", 400),
    ],
)
def test_addresses_that_nothing_can_have_are_said_to_be_so(served: Served, path: str, status: int) -> None:
    assert served.ask("GET", path, Authorization=f"Bearer {served.token}")[0] == status


def test_no_redirect_follows_the_host_header(served: Served) -> None:
    status, headers, _ = served.ask("GET", "//api//v1//cases", Host="evil.example")
    assert (status, headers["Location"]) == (308, "/api/v1/cases")


def test_health_says_nothing_of_what_went_wrong_inside(served: Served) -> None:
    status, _, body = served.ask("GET", "/health")
    assert status == 503
    assert not re.search(rb"SELECT|sqlite|Error|refused|Connection|/tmp", body), body


def image_file(pixels: int) -> bytes:
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.PixelData = bytes(pixels)
    image["PixelData"].VR = "OW"
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    out = BytesIO()
    dcmwrite(out, image, enforce_file_format=True)
    return out.getvalue()


@pytest.mark.parametrize("pixels", [100, 5_000_000])
def test_an_upload_that_comes_piece_by_piece_arrives_whole(served: Served, pixels: int) -> None:
    """It went to the inbox empty once; what is cut is refused by its lengths."""
    bearer = f"Bearer {served.token}"
    made = served.ask(
        "POST", "/api/v1/cases", b'{"reason": "x"}', Authorization=bearer, Content_Type="application/json"
    )
    path = f"/cases/{json.loads(made[2])['id']}/files?name=a.dcm"
    status, _, said = served.ask("POST", path, image_file(pixels), Authorization=bearer)
    assert (status, json.loads(said)["verdicts"][0]["outcome"]) == (200, "stored")


def signed_in_cookie(served: Served) -> str:
    _, headers, page = served.ask("GET", "/login")
    token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token
    form = urlencode({"email": EMAIL, "password": PASSWORD, "csrf_token": token[1].decode()}).encode()
    kept = headers["Set-Cookie"].partition(";")[0]
    status, headers, _ = served.ask(
        "POST", "/login", form, Cookie=kept, Content_Type="application/x-www-form-urlencoded"
    )
    assert status == 302
    return str(headers["Set-Cookie"].partition(";")[0])


def test_a_copied_cookie_is_worth_nothing_after_signing_out_and_another_device_stays_in(served: Served) -> None:
    mine, other = signed_in_cookie(served), signed_in_cookie(served)
    assert served.ask("GET", "/api/v1/cases", Cookie=mine)[0] == 200
    page = served.ask("GET", "/requests", Cookie=mine)[2]
    token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token
    form = urlencode({"csrf_token": token[1].decode()}).encode()
    served.ask("POST", "/logout", form, Cookie=mine, Content_Type="application/x-www-form-urlencoded")
    assert served.ask("GET", "/api/v1/cases", Cookie=mine)[0] == 401
    assert served.ask("GET", "/api/v1/cases", Cookie=other)[0] == 200


def test_what_was_looked_at_is_written_down_even_when_the_process_is_stopped_at_once(served: Served) -> None:
    """The last test: it stops the server."""
    for _ in range(3):
        served.ask("GET", "/dicom-web/studies/1.2.3/metadata", Authorization=f"Bearer {served.token}")
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(20)
    with served.database.reading() as session:
        (line,) = session.query(AccessLine).filter_by(study_uid="1.2.3")
        assert (line.action, line.status, line.requests, line.address) == ("study_metadata", 404, 3, "127.0.0.1")
