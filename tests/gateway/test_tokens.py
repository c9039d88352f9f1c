"""Tokens of programs: for what they were made, for a time, and no longer than somebody wants."""

from __future__ import annotations

import re

import pytest

from gateway.accounts.scopes import SCOPES
from worklist.models import ApiToken, AuditLine

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ASKED = {
    "search": ("GET", "/dicom-web/studies"),
    "store": ("POST", "/dicom-web/studies"),
    "case": ("GET", "/api/v1/cases"),
    "page": ("GET", "/site"),
}
MAY = {
    "images": {"search", "store"},
    "images:read": {"search"},
    "images:store": {"store"},
    "person": {"search", "store", "case", "page"},
    "unheard of": set(),
}


@pytest.mark.parametrize("scope", [*SCOPES, "unheard of"])
def test_a_token_proves_nothing_beyond_its_scope(web, people, scope) -> None:
    token = web.token(people.hospital(people.site()), scope)
    headers = {"Authorization": f"Bearer {token}"}
    statuses = {name: web.ask(None, *asked, headers=headers).status_code for name, asked in ASKED.items()}
    assert {name for name, status in statuses.items() if status not in {302, 401}} == MAY[scope]


def test_a_token_is_made_on_the_page_shown_once_and_taken_away_at_once(web, people, wait_for) -> None:
    who = people.hospital(people.site())
    form = {"name": "Our PACS", "scope": "images:read", "days": "30"}
    page = web.ask(who, "POST", "/tokens", data=form).get_data(as_text=True)
    token = re.search(r'id="made-token" readonly value="([^"]+)"', page)[1]
    headers = {"Authorization": f"Bearer {token}"}
    assert web.ask(None, "GET", "/dicom-web/studies", headers=headers).status_code == 200
    later = web.ask(who, "GET", "/tokens").get_data(as_text=True)
    assert "Our PACS" in later
    assert token not in later
    with web.database.reading() as session:
        row = session.query(ApiToken).filter_by(name="Our PACS").one()
        assert token not in vars(row).values()
        assert session.query(AuditLine).filter_by(action="make a token", person_id=who.person_id).count() == 1
    wait_for(lambda: is_used(web, row.id))
    web.ask(who, "POST", f"/tokens/{row.id}/end")
    assert web.ask(None, "GET", "/dicom-web/studies", headers=headers).status_code == 401


def is_used(web, row_id: int) -> bool:
    with web.database.reading() as session:
        return session.get_one(ApiToken, row_id).used_at is not None


def test_who_asks_does_not_wait_for_it_to_be_written_that_a_token_was_used(web, people, wait_for) -> None:
    """It waited for the commit, half a second on a busy disk, and longer while somebody else wrote."""
    token = web.token(people.reader())
    with web.database.reading() as session:
        row_id = session.query(ApiToken).one().id
    with web.database.writing() as session:
        session.query(ApiToken).filter_by(id=row_id).with_for_update().one()
        said = web.ask(None, "GET", "/dicom-web/studies", headers={"Authorization": f"Bearer {token}"})
        assert said.status_code == 200
    wait_for(lambda: is_used(web, row_id))


def test_nobody_takes_away_the_token_of_another(web, people) -> None:
    site = people.site()
    mine, other = people.hospital(site), people.hospital(site)
    token = web.token(mine)
    with web.database.reading() as session:
        token_id = session.query(ApiToken).one().id
    web.ask(other, "POST", f"/tokens/{token_id}/end")
    assert web.ask(None, "GET", "/api/v1/cases", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_patients_and_readers_have_no_page_of_tokens(web, people) -> None:
    for who in (people.patient(), people.reader()):
        assert web.ask(who, "GET", "/tokens").status_code == 404
