"""The application as the server has it, asked by a reader: what is answered without it, and what the routes say."""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import delete, update

from dicomweb.heads import Asked
from dicomweb.quick import MustWait
from gateway.accounts import devices
from gateway.accounts.people import deactivate
from gateway.bridge import Bridge
from gateway.quickly import asked_of
from worklist.models import ApiToken, Case, CaseStudy, Person, WebSession, now
from worklist.states import CaseState

PASSWORD = "correct horse battery"  # noqa: S105


@dataclass
class Answer:
    """What somebody got; `quick`: without the application."""

    status: int
    headers: dict[str, str]
    body: bytes
    quick: bool

    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)


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
        quick = self.bridge.quickly.find(scope) is not None
        return self._told(self.bridge, scope, quick=quick)

    def without_application(self, path: str, how: dict[str, str]) -> Answer:
        """One request to a server whose application answers nothing."""

        def nobody(*_: object) -> Any:
            raise AssertionError("the application was asked")

        bridge = Bridge(nobody, lambda _: None, lambda: None, 4, self.bridge.quickly)
        return self._told(bridge, self._scope(path, how | self.who), quick=True)

    def waits(self, path: str, how: dict[str, str]) -> bool:
        """Whether the event loop leaves this to a thread."""
        try:
            self.bridge.quickly.at_hand(self._scope(path, how | self.who))
        except MustWait:
            return True
        return False

    def asked(self, path: str, how: dict[str, str]) -> Asked:
        """The request as what is quick reads it."""
        found = asked_of(self._scope(path, self.who | how))
        assert found is not None
        return found

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
        said = {"host": "127.0.0.1:8080"} | headers
        return {
            "type": "http", "method": "GET", "raw_path": plain.encode(), "query_string": query.encode(),
            "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 8080), "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode()) for name, value in said.items()],
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
    with web.database.writing() as session:
        session.execute(update(ApiToken).values(used_at=now()))  # or a commit in the middle of a test says so
    bridge = Bridge(web.app, lambda _: None, lambda: None, 4, web.app.extensions["overread-quickly"])
    return Front(web, bridge, who, reader, case_id, uids["StudyInstanceUID"], uids["SeriesInstanceUID"], pixels)


def signed_in(web) -> str:
    browser = web.app.test_client()
    page = browser.get("/login").get_data(as_text=True)
    csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]
    browser.post("/login", data={"email": "nora@test.example", "password": PASSWORD, "csrf_token": csrf})
    (cookie,) = (one for one in browser._cookies.values() if one.key.startswith("overread"))
    return f"{cookie.key}={cookie.value}"


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


@pytest.fixture
def taken_away():
    """The ways in which the reader loses their rights, by name."""
    return {one.__name__: one for one in (sign_out, end_everywhere, close_account, give_away, unbind)}
