"""A shared link in a real Chromium: its secret never leaves the browser but in the form, and the images open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

pytestmark = [pytest.mark.peers, pytest.mark.flow]

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def window(chromium: Browser, installation: Any) -> Iterator[Callable[[], Page]]:
    """`window()`: a page of a browser that knows nobody."""
    opened = []

    def fresh() -> Page:
        opened.append(chromium.new_context(base_url=installation.url, viewport={"width": 390, "height": 844}))
        page = opened[-1].new_page()
        page.set_default_timeout(PATIENCE)
        return page

    yield fresh
    for context in opened:
        context.close()


@pytest.fixture
def case(installation: Any, wait_for: Callable[..., None]) -> int:
    """One of the demonstration's, which come in the first seconds."""
    token = installation.token("coordinator@demo.example")

    def ready() -> list[dict[str, Any]]:
        return installation.api("GET", "/api/v1/cases?state=READY", token)[1]["cases"]

    wait_for(ready, 120, "a case of the demonstration")
    return ready()[0]["id"]


def test_a_link_opens_on_a_phone_with_its_pin_and_ends_at_once(case: int, window: Callable[[], Page]) -> None:
    owner, guest, asked = window(), window(), []
    guest.on("request", lambda request: asked.append(request.url))
    address, pin = make_link(owner, case)
    guest.goto(address)
    expect(guest.get_by_label("The PIN that you were told")).to_be_focused()
    assert guest.url.endswith("/shared"), "the secret is out of sight"
    guest.fill("#second", pin)
    guest.get_by_role("button", name="Look at the images").click()
    guest.locator("#look-here").click()
    expect(guest.locator("#look-count")).to_contain_text("1")
    secret = address.partition("#")[2][2:]
    assert not [url for url in asked if secret in url]
    owner.get_by_role("button", name="End this link for Dr Miller").click()
    expect(owner.get_by_role("status").first).to_contain_text("opens nothing any more")
    guest.goto("/shared/case")
    expect(guest.locator("#no-link")).to_be_visible()


def make_link(page: Page, case: int) -> tuple[str, str]:
    page.goto("/login")
    page.click("[data-email='coordinator@demo.example']")
    page.get_by_role("button", name="Sign out").wait_for()
    page.goto(f"/cases/{case}/links")
    page.get_by_label("Whom is it for?").fill("Dr Miller")
    page.get_by_label("A PIN that we make for you").check()
    page.get_by_role("button", name="Make the link").click()
    return page.locator("#address").input_value(), page.locator("#pin").input_value()
