"""DICOMweb by a browser's cookie: what a page of somebody else sends is not taken, whatever it says."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

EMAIL, PASSWORD = "nora@test.example", "a long sentence"
FOREIGN = "https://evil.example"


@pytest.fixture
def browser(web, people):
    people.reader(email=EMAIL, password=PASSWORD)
    client = web.app.test_client()
    page = client.get("/login").get_data(as_text=True)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]
    client.post("/login", data={"email": EMAIL, "password": PASSWORD, "csrf_token": token})
    return client


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ({"Origin": "http://localhost"}, True),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, True),
        ({}, False),
        ({"Origin": "null"}, False),
        ({"Origin": FOREIGN}, False),
        ({"Origin": "http://localhost:81"}, False),
        ({"Origin": "https://localhost"}, False),
        ({"Origin": FOREIGN, "Sec-Fetch-Site": "same-origin"}, False),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Referer": "http://localhost/ohif/", "X-Forwarded-Host": "localhost"}, False),
    ],
)
def test_a_cookie_stores_only_from_our_own_pages(browser, said, taken) -> None:
    answer = browser.post("/dicom-web/studies", headers=said, data=b"x", content_type="text/plain")
    assert answer.status_code == 403
    by_rights = b"may not store" in answer.data
    assert by_rights is taken, "whoever passes is told what the rights say"


def test_a_bearer_token_needs_no_origin(web, people) -> None:
    answer = web.ask(people.reader(), "POST", "/dicom-web/studies", headers={"Origin": FOREIGN})
    assert b"may not store" in answer.data
