"""Signing in by the form, staying signed in, signing out; tokens for programs; guessing passwords."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from config.settings import load_settings
from gateway.accounts.people import NewPerson, NoSuchPerson, add_person, deactivate, person_by_email, set_password
from gateway.accounts.security import _configuration
from gateway.accounts.sessions import token_digest
from worklist.access import viewer_of
from worklist.models import ApiToken, Person, PersonRole, now
from worklist.states import Role

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
EMAIL, PASSWORD = "nora@test.example", "correct horse battery"


@pytest.fixture
def nora(people):
    """A reader who signs in as EMAIL with PASSWORD."""
    return people.reader(email=EMAIL, password=PASSWORD)


@pytest.fixture
def browser(web):
    """A browser's cookies."""
    return web.app.test_client()


def csrf_of(browser, path: str = "/login") -> str:
    page = browser.get(path, follow_redirects=True).get_data(as_text=True)
    return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]


def sign_in(browser, email: str = EMAIL, password: str = PASSWORD, **more):
    form = {"email": email, "password": password, "csrf_token": csrf_of(browser)} | more
    return browser.post("/login", data=form)


def signed_in(browser) -> bool:
    return browser.get("/api/v1/cases").status_code == 200


def test_the_right_password_signs_in_and_the_cookie_is_for_our_server_alone(browser, nora) -> None:
    answer = sign_in(browser)
    assert answer.status_code == 302
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert signed_in(browser)


def test_an_email_address_is_the_same_in_capitals(browser, nora) -> None:
    sign_in(browser, EMAIL.upper())
    assert signed_in(browser)


@pytest.mark.parametrize(("email", "password"), [(EMAIL, "wrong"), ("nobody@test.example", PASSWORD), (EMAIL, "")])
def test_a_wrong_password_and_an_unknown_address_do_not_sign_in_and_look_the_same(
    browser, nora, email: str, password: str
) -> None:
    answer = sign_in(browser, email, password)
    assert answer.status_code == 200
    assert not signed_in(browser)
    if password:
        other = sign_in(browser, EMAIL if email != EMAIL else "nobody@test.example", "also wrong")
        assert comparable(answer.text) == comparable(other.text)


def comparable(page: str) -> str:
    return re.sub(r'(value|content)="[^"]*"', "", page)  # the address typed, and tokens, which change with the second


def test_without_the_forms_token_nobody_is_signed_in(browser, nora) -> None:
    csrf_of(browser)
    for token in ({}, {"csrf_token": "made up"}):
        browser.post("/login", data={"email": EMAIL, "password": PASSWORD} | token)
        assert not signed_in(browser)


def test_a_signed_in_browser_changes_nothing_without_the_csrf_token(web, browser, nora) -> None:
    sign_in(browser)
    refused = browser.post("/api/v1/cases/1/claim")
    assert refused.status_code == 400
    token = csrf_of(browser, "/")
    answer = browser.post("/api/v1/cases/1/claim", headers={"X-CSRFToken": token})
    assert answer.status_code == 404, "it got as far as looking for the case"


def test_signing_out_takes_a_post_and_ends_the_session(browser, nora) -> None:
    sign_in(browser)
    assert browser.get("/logout").status_code in {404, 405}
    assert signed_in(browser)
    browser.post("/logout", data={"csrf_token": csrf_of(browser, "/")})
    assert not signed_in(browser)


def test_whoever_guesses_passwords_is_told_to_wait_and_others_are_not(web, nora) -> None:
    guesser = web.app.test_client()
    token = csrf_of(guesser)
    guess = {"email": EMAIL, "password": "guess", "csrf_token": token}
    statuses = [guesser.post("/login", data=guess).status_code for _ in range(11)]
    assert statuses == [200] * 5 + [429] * 6
    answer = guesser.post("/login", data=guess | {"password": PASSWORD})
    assert answer.status_code == 429
    other = web.app.test_client()
    form = {"email": EMAIL, "password": PASSWORD, "csrf_token": csrf_of(other)}
    other.post("/login", data=form, environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert signed_in(other)


def test_after_signing_in_one_is_sent_to_our_own_pages_alone(browser, nora) -> None:
    token = csrf_of(browser)
    form = {"email": EMAIL, "password": PASSWORD, "csrf_token": token, "next": "https://evil.example/"}
    answer = browser.post("/login?next=https://evil.example/", data=form)
    assert "evil" not in answer.headers.get("Location", "")


def test_changing_the_password_of_an_account_keeps_it_one_account(database) -> None:
    new = NewPerson(EMAIL, "Nora", (Role.READER, Role.COORDINATOR), subspecialties=("thoracic",), dicom_name="A^B")
    with database.writing() as session:
        first = add_person(session, new, PASSWORD).id
    with database.writing() as session:
        again = add_person(session, NewPerson(EMAIL.upper(), "Nora B", (Role.READER,)), "other password")
        assert again.id == first
    with database.reading() as session:
        person = session.query(Person).one()
        assert viewer_of(person).roles == {Role.READER}
        assert person.display_name == "Nora B"
        assert session.query(PersonRole).count() == 1
        assert PASSWORD not in person.password
        assert person.password.startswith("$argon2")


def test_a_token_acts_as_its_person_and_the_database_does_not_know_it(web, nora) -> None:
    token = web.token(nora)
    with web.database.reading() as session:
        row = session.query(ApiToken).one()
        assert (row.sha256, row.person_id) == (token_digest(token), nora.person_id)
        assert token not in row.sha256
        assert timedelta(days=89) < row.expires_at - now() < timedelta(days=91)
    assert web.app.test_client().get("/api/v1/cases", headers=bearer(token)).status_code == 200


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_that_expired_or_was_never_given_is_nobody(web, nora) -> None:
    token = web.token(nora)
    with web.database.writing() as session:
        session.query(ApiToken).one().expires_at = now() - timedelta(seconds=1)
    for wrong in (token, token[:-1], "", "' OR 1=1"):
        answer = web.app.test_client().get("/api/v1/cases", headers=bearer(wrong))
        assert (answer.status_code, answer.content_type) == (401, "application/problem+json")


def test_a_wrong_token_is_not_made_good_by_a_cookie(web, browser, nora) -> None:
    """A request that skips the CSRF check by its header must be judged by its header alone."""
    sign_in(browser)
    assert browser.post("/api/v1/cases/1/claim", headers=bearer("wrong")).status_code == 401


def test_nobody_has_a_token_without_an_account(database) -> None:
    with pytest.raises(NoSuchPerson, match="ghost@test.example"), database.writing() as session:
        person_by_email(session, "ghost@test.example")


def test_a_session_outlives_a_restart_and_not_a_change_of_the_secrets(web, browser, nora) -> None:
    sign_in(browser)
    assert signed_in(browser)
    web.app.config["SECRET_KEY"] = "another"
    assert not signed_in(browser)


def test_pages_of_an_https_address_have_a_cookie_bound_to_it(web) -> None:
    public = load_settings(web.parts.settings.data, None, http={"public_url": "https://overread.example"})
    made = _configuration(public, web.parts.secrets)
    assert (made["SESSION_COOKIE_NAME"], made["SESSION_COOKIE_SECURE"]) == ("__Host-overread", True)


@pytest.mark.parametrize("how", ["another password", "deactivated"])
def test_another_password_or_a_closed_account_ends_every_session_and_token(web, browser, nora, how: str) -> None:
    sign_in(browser)
    token = web.token(nora)
    assert signed_in(browser)
    with web.database.writing() as session:
        person = session.get_one(Person, nora.person_id)
        if how == "deactivated":
            deactivate(session, person)
        else:
            set_password(session, person, "another battery")
    assert not signed_in(browser)
    assert web.app.test_client().get("/api/v1/cases", headers=bearer(token)).status_code == 401


def test_the_same_password_again_signs_nobody_out(web, browser, nora) -> None:
    sign_in(browser)
    with web.database.writing() as session:
        set_password(session, session.get_one(Person, nora.person_id), PASSWORD)
    assert signed_in(browser)


def test_a_hospital_behind_one_address_signs_in_as_often_as_it_likes_and_guesses_there_are_slow(web, nora) -> None:
    """The eleventh right password in a minute was told to wait."""

    def attempt(email: str, password: str) -> int:
        client = web.app.test_client()
        form = {"email": email, "password": password, "csrf_token": csrf_of(client)}
        return client.post("/login", data=form).status_code

    assert [attempt(EMAIL, PASSWORD) for _ in range(12)] == [302] * 12
    guessed = [attempt(f"nobody{number}@test.example", "a wrong guess") for number in range(11)]
    assert guessed == [200] * 10 + [429]


def test_an_account_that_many_addresses_guess_at_is_slow_for_strangers_and_open_where_its_owner_was_before(
    web, nora
) -> None:
    def attempt(address: str, password: str) -> int:
        client = web.app.test_client()
        form = {"email": EMAIL, "password": password, "csrf_token": csrf_of(client)}
        return client.post("/login", data=form, environ_base={"REMOTE_ADDR": address}).status_code

    assert attempt("10.0.0.1", PASSWORD) == 302
    assert [attempt(f"10.1.0.{number}", "guess") for number in range(20)] == [200] * 20
    assert attempt("10.1.0.99", PASSWORD) == 429
    assert attempt("10.0.0.1", PASSWORD) == 302
