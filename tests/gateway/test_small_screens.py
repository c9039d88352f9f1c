"""On a phone nothing is cut off: pages of the whole application, without a server, drawn by Chromium at 390 px."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, Route
from pydicom.uid import generate_uid

from config.settings import PROGRAM
from worklist.models import Case, Commitment, CommitmentItem, Study, Trouble, now
from worklist.states import CaseState, CommitmentState, Role

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
INSTALLED = PROGRAM / "build" / "assets" / "web"  # what the fixture `web` has not: the CSS framework
SITE = "http://overread.test"


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def phone(chromium: Browser, web: Any) -> Iterator[Callable[[Any, str], Page]]:
    """`phone(who, "/quarantine/1")`: that page of this person on a phone."""
    page = chromium.new_page(viewport={"width": 390, "height": 844})

    def look(who: Any, path: str) -> Page:
        def answer(route: Route) -> None:
            path = route.request.url.removeprefix(SITE)
            installed = INSTALLED / path.removeprefix("/static/")
            if path.startswith("/static/") and installed.is_file():
                route.fulfill(path=installed)
                return
            with web.ask(who, "GET", path) as got:
                route.fulfill(status=got.status_code, body=got.data, content_type=got.content_type)

        page.route(f"{SITE}/**", answer)
        page.route("**/*.png", lambda route: route.abort())  # of no weight here, and decoded in a process of its own
        page.goto(SITE + path, wait_until="domcontentloaded", timeout=90_000)  # with the style sheets
        return page

    yield look
    page.close()


@pytest.fixture
def contradicting(web: Any, people: Any) -> int:
    """An image of another patient under the UIDs of a study, kept aside."""
    site = people.site()
    study = generate_uid()
    for number, patient in enumerate(("Meyer^Ute", "A-very-long-family-name-without-any-space-in-it^Otto"), 1):
        image = web.world.make(PatientID=f"P-{number}", PatientName=patient, StudyInstanceUID=study)
        web.world.receive(image, f"site:{site}")
        web.world.carry()
    with web.database.reading() as session:
        found: int = session.query(Trouble).one().id
        return found


def test_both_sides_of_a_comparison_are_in_sight(phone, people, contradicting) -> None:
    page = phone(people.coordinator(), f"/quarantine/{contradicting}")
    boxes = page.evaluate(
        "() => [...document.querySelectorAll('.differences td')].map(one => one.getBoundingClientRect())"
        ".map(box => [box.left, box.right, box.width])"
    )
    assert len(boxes) >= 4
    assert all(0 <= left < right <= 390 and width > 200 for left, right, width in boxes), boxes
    assert "Ute Meyer" in page.locator(".differences").inner_text()


@pytest.mark.parametrize("role", ["reader", "coordinator", "patient"])
def test_the_account_fits(phone, people, role) -> None:
    page = phone(getattr(people, role)(), "/account")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert page.locator("#change-password").bounding_box()["height"] >= 24


def test_a_long_dicomweb_address_breaks_within_the_page(phone, web, people) -> None:
    who = people.coordinator()
    web.ask(who, "POST", "/sites", data={"code": "A", "name": "St Mary's"})
    url = f"https://imaging-gateway.department-of-radiology.hospital.example/{'a' * 40}/dicom-web"
    web.ask(who, "POST", "/sites/1/receiver", data={"receiver": url, "proof": "query"})
    page = phone(who, "/sites/1")
    assert url in page.content()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_a_desk_the_reasons_of_a_commitment_have_the_widest_column(phone, web, people) -> None:
    """They stood a word to a line, beside a wide and empty column of the sender."""
    site, _ = people.site(), people.site()  # of two, a coordinator has a column more
    with web.database.writing() as session:
        item = CommitmentItem(sop_uid="1.2.3", sop_class_uid="1.2.840.10008.5.1.4.1.1.2", reason=0x0112)
        session.add(Commitment(key="a", origin=f"site:{site}", sender="CT_1", transaction_uid=generate_uid(),
                               state=CommitmentState.REPORTED, received_at=now(), judged_at=now(),
                               items=[item]))  # fmt: skip
    for who in (people.hospital(site), people.coordinator()):
        page = phone(who, "/arrivals")
        page.set_viewport_size({"width": 1280, "height": 900})
        widths = page.evaluate(
            "() => [...document.querySelectorAll('.commitments th')].map(one => one.getBoundingClientRect().width)"
        )
        assert max(widths) == widths[-1]


NAMES = """() => [...document.querySelectorAll(':is(a, button, summary)[aria-label]')]
    .map(one => [one.innerText.trim(), one.ariaLabel])
    .filter(([seen, said]) => seen && !said.toLowerCase().includes(seen.toLowerCase()))"""


def test_what_is_seen_on_a_button_is_in_its_name(phone, web, people, contradicting) -> None:
    """WCAG 2.2, 2.5.3: who says "click Look and decide" to their computer was not heard."""
    who = people.person(Role.COORDINATOR, Role.SITE, site_id=1)
    web.ask(who, "POST", "/sites", data={"code": "A", "name": "St Mary's"})
    web.ask(who, "POST", "/sites/2/sender", data={"sender": "CT_1", "right": "store"})
    web.ask(who, "POST", "/sites/2/receiver", data={"receiver": "PACS@10.1.1.1:104", "proof": "query"})
    web.ask(who, "POST", "/tokens", data={"name": "nightly", "scope": "images", "days": "30"})
    with web.database.writing() as session:
        session.add(Case(site_id=1, state=CaseState.READY, subspecialty="breast", studies=[session.query(Study).one()]))
    for path in ("/quarantine", "/oversight", "/arrivals", "/sites", "/sites/2", "/tokens", "/worklist", "/cases/1"):
        page = phone(who, path)
        assert page.locator("h1").count() == 1, path
        assert page.evaluate(NAMES) == [], path


def test_on_a_desk_what_was_not_taken_has_room(phone, people, contradicting) -> None:
    """A button that stood in each row left it four words to a line."""
    page = phone(people.coordinator(), "/arrivals")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.locator(".arrivals .not-taken").first.bounding_box()["width"] > 330
