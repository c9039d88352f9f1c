"""Your account: who you are here, another password, and where you are signed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from flask_security.utils import login_user
from sqlalchemy.orm import Session, selectinload

from gateway.accounts import devices, people
from gateway.accounts.changes import NewPassword, WrongPassword, change_own_password
from gateway.accounts.devices import Lifetime
from gateway.accounts.security import lifetime_of, password_was_good
from gateway.accounts.sessions import sessions, this_device
from gateway.portal.browsers import browser_in_words
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from worklist.models import AuditLine, Person
from worklist.states import Role
from worklist.subspecialties import label

ROLES: Mapping[Role, str] = {
    Role.PATIENT: "Patient",
    Role.SITE: "Hospital",
    Role.READER: "Reader",
    Role.COORDINATOR: "Coordinator",
    Role.ADMIN: "Administrator",
}
CHANGED = "Your password is changed. Everywhere else you are signed out."


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One browser in which this person is signed in; `here` is the one that asks."""

    id: int
    browser: str
    address: str
    since: datetime
    used: datetime
    here: bool


@dataclass(frozen=True, slots=True)
class Account:
    """What the page shows. `tokens` let programs act for this person."""

    person: Person
    roles: str
    fields: str
    devices: list[DeviceView]
    tokens: int

    @property
    def elsewhere(self) -> int:
        """In how many other browsers this person is signed in."""
        return sum(not each.here for each in self.devices)


def read_account(session: Session, person_id: int, lifetime: Lifetime) -> Account:
    """The account of one person, as it is now."""
    wanted = selectinload(Person.roles), selectinload(Person.site)
    person = session.get_one(Person, person_id, options=wanted)
    held = {role.name for role in person.roles}
    return Account(
        person=person,
        roles=", ".join(title for role, title in ROLES.items() if role in held),
        fields=", ".join(label(each) for each in person.subspecialties),
        devices=_devices(session, person_id, lifetime),
        tokens=devices.count_tokens(session, person_id),
    )


def _devices(session: Session, person_id: int, lifetime: Lifetime) -> list[DeviceView]:
    """The browser that asks, then the others, the newest use first."""
    here = this_device()
    found = [
        DeviceView(row.id, browser_in_words(row.browser), row.address, row.created_at, row.used_at, row.sha256 == here)
        for row in devices.of_person(session, person_id, lifetime)
    ]
    return sorted(found, key=lambda each: not each.here)


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/account`, and what a person can do there."""

    def render(wrong: Mapping[str, str]) -> str:
        with services.database.reading() as session:
            account = read_account(session, asking().person_id, lifetime_of(services.settings))
        bounds = {"least": people.LEAST_PASSWORD, "most": people.MOST_PASSWORD}
        return flask.render_template("account.html", account=account, asking=asking(), wrong=wrong, **bounds)

    @portal.get("/account")
    def account() -> ResponseReturnValue:
        return render({})

    @portal.post("/account/password")
    def change_password() -> ResponseReturnValue:
        form = flask.request.form
        given = NewPassword(form.get("current", ""), form.get("new", ""), form.get("again", ""))
        try:
            with services.database.writing() as session:
                person = session.get_one(Person, asking().person_id, options=[selectinload(Person.roles)])
                change_own_password(session, person, given)
                password_was_good(session)
        except WrongPassword as error:
            return render({error.field: str(error)}), 400
        sessions().forget()
        if this_device():
            login_user(person)
        return _done(CHANGED)

    _add_signing_out(portal, services)


def _add_signing_out(portal: Blueprint, services: PortalServices) -> None:
    @portal.post("/account/devices/<int:device_id>/end")
    def end_device(device_id: int) -> ResponseReturnValue:
        with services.database.writing() as session:
            devices.end_one(session, asking().person_id, device_id)
            _note(session, "one browser")
        sessions().forget()
        return _done("That browser is signed out.")

    @portal.post("/account/devices/end-others")
    def end_other_devices() -> ResponseReturnValue:
        with services.database.writing() as session:
            devices.end_others(session, asking().person_id, this_device())
            _note(session, "all other browsers")
        sessions().forget()
        return _done("Everywhere else you are signed out.")


def _note(session: Session, detail: str) -> None:
    session.add(AuditLine(person_id=asking().person_id, action="sign out elsewhere", detail=detail))


def _done(said: str) -> ResponseReturnValue:
    flask.flash(said, "done")
    return flask.redirect(flask.url_for("portal.account"), 303)
