"""Frames and metadata that need no application: the same answers as the routes give, and not one request too late."""

from __future__ import annotations

import asyncio
import gzip
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import delete, update

from gateway.accounts import devices
from gateway.accounts.people import deactivate
from gateway.bridge import Bridge
from worklist.models import ApiToken, Case, CaseStudy, Instance, Person, Series, Study, WebSession, now
from worklist.states import CaseState

PASSWORD = "correct horse battery"  # noqa: S105
OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
FRAME = {"accept": OHIF}
METADATA = {"accept": "application/dicom+json", "accept-encoding": "gzip"}
EITHER = {"accept": "*/*", "accept-encoding": "gzip"}


@dataclass
class Answer:
    """What somebody got; `quick`: without the application."""

    status: int
    headers: dict[str, str]
    body: bytes
    quick: bool


@dataclass
class Front:
    """The application as the server has it, and one case whose images somebody looks at."""

    web: Any
    bridge: Bridge
    who: dict[str, str]
    reader: Any
    case_id: int
    study_uid: str
    series_uid: str
    pixels: bytes

    def frame(self, number: int | str = 1, root: str = "") -> str:
        return f"/dicom-web{root}/studies/{self.study_uid}/series/{self.series_uid}/instances/1.2.9.1/frames/{number}"

    def metadata(self, root: str = "") -> str:
        return f"/dicom-web{root}/studies/{self.study_uid}/series/{self.series_uid}/metadata"

    def ask(self, path: str, how: dict[str, str], who: dict[str, str] | None = None) -> Answer:
        """One request to the server's application."""
        scope = self._scope(path, how | (self.who if who is None else who))
        quick = self.bridge.quickly.answer(scope) is not None
        return self._told(self.bridge, scope, quick=quick)

    def routes(self, path: str, how: dict[str, str]) -> Answer:
        """The same request to the routes alone."""
        said = self.web.app.test_client(use_cookies=False).get(
            path, headers=how | self.who | {"host": "127.0.0.1:8080"}
        )
        headers = {name.lower(): value for name, value in said.headers.items()}
        return Answer(said.status_code, headers, said.get_data(), quick=False)

    def settle(self, path: str, how: dict[str, str]) -> Answer:
        """Ask until it is answered quickly."""
        for _ in range(5):
            answer = self.ask(path, how)
            if answer.quick:
                return answer
        raise AssertionError(f"{path} is never answered quickly")

    def _scope(self, path: str, headers: dict[str, str]) -> dict[str, Any]:
        plain, _, query = path.partition("?")
        return {
            "type": "http", "method": "GET", "raw_path": plain.encode(), "query_string": query.encode(),
            "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 8080), "client": ("127.0.0.1", 1),
            "headers": [(b"host", b"127.0.0.1:8080"),
                        *((name.encode(), value.encode()) for name, value in headers.items())],
        }  # fmt: skip

    @staticmethod
    def _told(bridge: Bridge, scope: dict[str, Any], *, quick: bool) -> Answer:
        said: list[Any] = []

        async def send(message: Any) -> None:
            said.append(message)

        async def receive() -> Any:
            raise AssertionError("nobody sends a body")

        async def serve() -> None:
            await bridge(scope, receive, send)

        with ThreadPoolExecutor(
            1
        ) as apart:  # Playwright, where a test before had a browser, runs a loop in this thread
            apart.submit(lambda: asyncio.run(serve())).result()
        headers = {name.decode(): value.decode() for name, value in said[0]["headers"]}
        return Answer(said[0]["status"], headers, b"".join(bytes(one["body"]) for one in said[1:]), quick)


@pytest.fixture
def by():
    """How the reader proves who it is: by token or by cookie."""
    return "token"


@pytest.fixture
def front(web, people, by):
    """A reader looks at a case of three frames in one instance."""
    reader = people.reader("neuroradiology", email="nora@test.example", password=PASSWORD)
    pixels = bytes(range(256)) * 3
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), "SOPInstanceUID": "1.2.9.1"}
    picture = {"Rows": 16, "Columns": 8, "NumberOfFrames": 3, "PixelData": pixels}
    case_id = web.world.held_case(
        reader, people.site(), web.world.make(PatientID=generate_uid()[-20:], **uids, **picture)
    )
    who = {"authorization": f"Bearer {web.token(reader)}"} if by == "token" else {"cookie": signed_in(web)}
    bridge = Bridge(web.app, lambda _: None, lambda: None, 4, web.app.extensions["overread-quickly"])
    return Front(web, bridge, who, reader, case_id, uids["StudyInstanceUID"], uids["SeriesInstanceUID"], pixels)


def signed_in(web) -> str:
    browser = web.app.test_client()
    page = browser.get("/login").get_data(as_text=True)
    csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]
    browser.post("/login", data={"email": "nora@test.example", "password": PASSWORD, "csrf_token": csrf})
    (cookie,) = (one for one in browser._cookies.values() if one.key.startswith("overread"))
    return f"{cookie.key}={cookie.value}"


def assert_alike(front, path: str, how: dict[str, str], *, quick: bool) -> None:
    """What the server answers at once is what the routes answer; also when it is asked for again."""
    expected = front.routes(path, how)
    answer = front.settle(path, how) if quick else front.ask(path, how)
    assert answer.quick == quick, how
    assert (answer.status, answer.headers, answer.body) == (expected.status, expected.headers, expected.body)
    seen = how | {"if-none-match": expected.headers.get("etag", '"x"')}
    expected, answer = front.routes(path, seen), front.ask(path, seen)
    assert (answer.status, answer.headers, answer.body) == (expected.status, expected.headers, expected.body)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by", ["token", "cookie"])
def test_a_frame_is_answered_like_by_the_routes(front) -> None:
    for number in ("1", "3", "3,1,1"):
        for accept in (OHIF, "*/*", "application/octet-stream", "multipart/related"):
            quick = not ("," in number and accept == "application/octet-stream")
            assert_alike(front, front.frame(number), {"accept": accept}, quick=quick)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by", ["token", "cookie"])
def test_metadata_are_answered_like_by_the_routes(front) -> None:
    path = front.metadata(f"/cases/{front.case_id}")
    for accept in ("application/dicom+json", "*/*", "application/json", "text/html"):
        for encoding in ("gzip", "gzip, deflate, br", "identity", "gzip;q=0"):
            quick = accept != "text/html" and encoding.startswith("gzip") and "q=0" not in encoding
            assert_alike(front, path, {"accept": accept, "accept-encoding": encoding}, quick=quick)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", [Front.metadata, Front.frame])
def test_a_working_paper_is_answered_quickly_to_its_reader_until_they_let_the_case_go(front, path) -> None:
    with front.web.database.writing() as session:
        row = session.query(Series).filter_by(series_uid=front.series_uid).one()
        row.ours, row.made_by = True, front.reader.person_id
    assert front.settle(path(front), EITHER).status == 200
    front.web.world.release(front.case_id)
    for _ in range(3):
        answer = front.ask(path(front), EITHER)
        assert (answer.quick, answer.status) == (False, 404)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_pixels_are_those_that_came(front) -> None:
    for number in (1, 2, 3):
        answer = front.settle(front.frame(number), {"accept": "application/octet-stream"})
        assert answer.body == front.pixels[256 * (number - 1) : 256 * number]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_not_plain_is_for_the_routes(front) -> None:
    front.settle(front.frame(), FRAME)
    for odd in ("4", "0", "1,", "1,4", "1?x=1", "1%20", "1/"):
        assert not front.ask(front.frame(odd), FRAME).quick, odd


def sign_out(front) -> None:
    with front.web.world.database.writing() as session:
        session.execute(delete(WebSession))
        session.execute(delete(ApiToken))


def end_everywhere(front) -> None:
    with front.web.world.database.writing() as session:
        devices.end_all(session, session.get_one(Person, front.reader.person_id))


def close_account(front) -> None:
    with front.web.world.database.writing() as session:
        deactivate(session, session.get_one(Person, front.reader.person_id))


def give_away(front) -> None:
    with front.web.world.database.writing() as session:
        session.execute(update(Case).values(reader_id=None, state=CaseState.READY, subspecialty="thoracic"))


def unbind(front) -> None:
    with front.web.world.database.writing() as session:
        session.execute(delete(CaseStudy))


def remove_instance(front) -> None:
    with front.web.world.database.writing() as session:
        session.execute(delete(Instance))
        session.execute(update(Series).values(version=Series.version + 1))


GONE = {sign_out: 401, end_everywhere: 401, close_account: 401, give_away: 404, unbind: 404, remove_instance: 404}


@pytest.mark.parametrize("change", GONE, ids=lambda change: change.__name__)
def test_a_right_that_was_taken_away_is_gone_with_the_next_request(front, change) -> None:
    front.settle(front.frame(), FRAME)
    change(front)
    answer = front.ask(front.frame(), FRAME)
    assert (answer.status, answer.quick) == (GONE[change], False)
    assert front.pixels[:256] not in answer.body


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by", ["cookie"])
@pytest.mark.parametrize("change", [sign_out, close_account, unbind], ids=lambda change: change.__name__)
def test_metadata_are_gone_with_the_right_to_them(front, change) -> None:
    front.settle(front.metadata(), METADATA)
    change(front)
    answer = front.ask(front.metadata(), METADATA)
    assert (answer.status, answer.quick) == (GONE[change], False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_late_instance_is_in_the_next_answer(front) -> None:
    before = front.settle(front.metadata(), METADATA)
    with front.web.world.database.reading() as session:
        study = session.query(Study).one()
    late = front.web.world.make(
        StudyInstanceUID=front.study_uid, SeriesInstanceUID=front.series_uid, PatientID=study.patient_id
    )
    front.web.world.receive(late, study.origin)
    front.web.world.carry()
    after = front.ask(front.metadata(), METADATA)
    assert [len(orjson.loads(gzip.decompress(one.body))) for one in (before, after)] == [1, 2]
    assert before.headers["etag"] != after.headers["etag"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_right_is_nobody_elses_and_of_no_other_case(front, people) -> None:
    front.settle(front.frame(), FRAME)
    other = people.reader("thoracic")
    stranger = front.ask(front.frame(), FRAME, {"authorization": f"Bearer {front.web.token(other)}"})
    assert (stranger.status, stranger.quick) == (404, False)
    nobody = front.ask(front.frame(), FRAME, {})
    assert (nobody.status, nobody.quick) == (401, False)
    front.settle(front.frame(root=f"/cases/{front.case_id}"), FRAME)
    for root in (f"/cases/{front.case_id + 1}", f"/cases/0{front.case_id}", "/cases/0"):
        answer = front.ask(front.frame(root=root), FRAME)
        assert (answer.status, answer.quick) == (404, False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_damage_on_the_disk_is_never_shown(front) -> None:
    path, how = front.frame(2), {"accept": "application/octet-stream"}
    expected = front.settle(path, how).body
    (file,) = (one for one in (front.web.world.folders.cache / "instances").rglob("*") if one.is_file())
    with file.open("r+b") as out:
        out.seek(4096 + 900)
        out.write(bytes(300))
    again = front.ask(path, how)
    assert (again.quick, again.body) == (False, expected)
    assert front.settle(path, how).body == expected


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_quick_look_is_written_down(front) -> None:
    front.settle(front.frame(), FRAME)
    log = front.web.app.extensions["overread-access-log"]
    log.write()
    before = [(access.action, line.begun) for access, line in log._lines.items()]
    front.settle(front.frame(), FRAME)
    noted = {access: line.fresh for access, line in log._lines.items()}
    assert before
    assert [access.action for access, fresh in noted.items() if fresh] == ["retrieve_frames"]
    assert {access.person_id for access in noted} == {front.reader.person_id}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_token_that_expires_by_itself_is_worth_nothing_a_moment_later(front, wait_for) -> None:
    front.settle(front.frame(), FRAME)
    with front.web.world.database.writing() as session:
        session.execute(update(ApiToken).values(expires_at=now() + timedelta(seconds=1)))
    wait_for(lambda: front.ask(front.frame(), FRAME).status == 401, 10)
