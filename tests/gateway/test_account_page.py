"""Your account: another password, and signing out where one is no longer; both count on the server at once."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.accounts import guessing
from worklist.models import AuditLine, Site, WebSession
from worklist.states import Role

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

EMAIL, OLD, NEW = "nora@test.example", "correct horse battery", "a sentence of my own"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


@pytest.fixture
def nora(people: Any) -> Any:
    return people.reader(email=EMAIL, password=OLD)


@pytest.fixture
def enter(web: Any, nora: Any):
    """`enter(FIREFOX)`: a browser of its own, in which Nora has signed in."""

    def sign_in(user_agent: str = FIREFOX, password: str = OLD) -> FlaskClient:
        browser: FlaskClient = web.app.test_client()
        browser.environ_base["HTTP_USER_AGENT"] = user_agent
        browser.post("/login", data={"email": EMAIL, "password": password, "csrf_token": csrf_of(browser, "/login")})
        return browser

    return sign_in


def csrf_of(browser: FlaskClient, path: str = "/account") -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(path).text)
    assert found
    return found[1]


def post(browser: FlaskClient, path: str, **fields: str) -> Any:
    return browser.post(path, data={"csrf_token": csrf_of(browser)} | fields)


def signed_in(browser: FlaskClient) -> bool:
    return browser.get("/api/v1/cases").status_code == 200


def account(browser: FlaskClient) -> str:
    return " ".join(html.unescape(browser.get("/account").text).split())


def device_of(web: Any, user_agent: str) -> int:
    with web.database.reading() as session:
        found: int = session.query(WebSession).filter_by(browser=user_agent).one().id
        return found


@pytest.mark.parametrize("role", Role)
def test_everybody_has_an_account_page(web, people, role) -> None:
    assert web.ask(people.person(role), "GET", "/account").status_code == 200


def test_one_finds_it_by_ones_name_on_every_page(enter) -> None:
    page = enter().get("/worklist").text
    assert re.search(r'<a class="who" href="/account"[^>]*>.*Person 1</a>', page)


def test_it_says_where_one_is_signed_in_and_which_browser_this_is(enter) -> None:
    desk, phone = enter(FIREFOX), enter(SAFARI)
    for here, there, browser in (("Firefox on Windows", "Safari on iPhone", desk),
                                 ("Safari on iPhone", "Firefox on Windows", phone)):  # fmt: skip
        said = account(browser)
        assert f'{here}</strong> <span class="tag done">This browser' in said
        assert f'aria-label="Sign out {there}, 127.0.0.1"' in said


def test_another_password_counts_at_once_here_one_stays_signed_in_and_elsewhere_one_is_out(web, enter, nora) -> None:
    here, there, token = enter(FIREFOX), enter(SAFARI), web.token(nora)
    assert "1 token lets a program act for you" in account(here)
    answer = post(here, "/account/password", current=OLD, new=NEW, again=NEW)
    assert answer.status_code == 303
    assert "Your password is changed" in account(here)
    assert signed_in(here)
    assert not signed_in(there)
    program = web.app.test_client().get("/api/v1/cases", headers={"Authorization": f"Bearer {token}"})
    assert program.status_code == 401
    assert not signed_in(enter(CHROME, OLD))
    assert signed_in(enter(CHROME, NEW))
    with web.database.reading() as session:
        assert session.query(AuditLine).filter_by(action="change password", person_id=nora.person_id).count() == 1


def test_the_cookie_from_before_the_change_is_worth_nothing(enter) -> None:
    here = enter()
    (name, old) = next((each.key, each.value) for each in here._cookies.values())
    assert post(here, "/account/password", current=OLD, new=NEW, again=NEW).status_code == 303
    here.set_cookie(name, old)
    assert not signed_in(here)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"current": "wrong", "new": NEW, "again": NEW}, "This is not your password now."),
        ({"current": OLD, "new": "short", "again": "short"}, "A password has 8 to 200 characters"),
        ({"current": OLD, "new": OLD, "again": OLD}, "This is your password already."),
        ({"current": OLD, "new": NEW, "again": NEW + "!"}, "Write the new password twice."),
        ({}, "This is not your password now."),
    ],
)
def test_a_mistake_is_said_at_its_field_and_nothing_is_changed(enter, fields, said) -> None:
    here, there = enter(FIREFOX), enter(SAFARI)
    answer = post(here, "/account/password", **fields)
    assert answer.status_code == 400
    assert said in html.unescape(answer.text)
    assert answer.text.count('aria-invalid="true"') == 1
    assert NEW not in answer.text
    assert signed_in(there)
    assert signed_in(enter(CHROME, OLD))


def test_a_stolen_session_does_not_guess_the_password(enter, monkeypatch) -> None:
    for name in ("FIRST_PAUSE", "LONGEST_PAUSE"):  # however slow this machine is
        monkeypatch.setattr(guessing, name, 3600.0)
    here = enter()
    token = csrf_of(here)
    guess = {"csrf_token": token, "current": "guess", "new": NEW, "again": NEW}
    assert [here.post("/account/password", data=guess).status_code for _ in range(7)] == [400] * 5 + [429] * 2


def test_one_browser_is_signed_out_and_the_others_stay(web, enter) -> None:
    here, lost, other = enter(FIREFOX), enter(SAFARI), enter(CHROME)
    assert post(here, f"/account/devices/{device_of(web, SAFARI)}/end").status_code == 303
    assert not signed_in(lost)
    assert signed_in(here)
    assert signed_in(other)


def test_all_others_are_signed_out(enter) -> None:
    here, *others = enter(FIREFOX), enter(SAFARI), enter(CHROME)
    assert post(here, "/account/devices/end-others").status_code == 303
    assert not any(signed_in(each) for each in others)
    assert signed_in(here)
    assert "Sign out everywhere else" not in account(here)


def test_nobody_signs_others_out(web, enter, people) -> None:
    theirs = enter(SAFARI)
    stranger = people.patient()
    web.ask(stranger, "POST", f"/account/devices/{device_of(web, SAFARI)}/end")
    web.ask(stranger, "POST", "/account/devices/end-others")
    assert signed_in(theirs)
    assert "Safari" not in web.ask(stranger, "GET", "/account").text


def test_the_hospital_is_named(web, people) -> None:
    site = people.site()
    with web.database.writing() as session:
        session.get_one(Site, site).name = "St Mary's"
    assert "St Mary&#39;s" in web.ask(people.hospital(site), "GET", "/account").text
