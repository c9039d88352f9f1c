"""Changing somebody who is there: name, roles, and what a report says of a reader."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy.orm import Session

from config.errors import Explained
from gateway.accounts.people import (
    HELD,
    BadPassword,
    NewPerson,
    StillReading,
    checked_password,
    is_password_of,
    set_password,
)
from worklist.models import AuditLine, Case, Person, PersonRole
from worklist.states import Role


class Incomplete(Explained):
    """A role needs more than is known of the person; the message says what."""


class WrongPassword(Explained):
    """A password was not changed; the message says why, `field` of which of the three."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class NewPassword:
    """What somebody writes who changes their own password."""

    current: str
    new: str
    again: str


def change_own_password(session: Session, person: Person, given: NewPassword) -> None:
    """As `set_password`, by the person, who must know the one there is. Raises WrongPassword."""
    if not is_password_of(person, given.current):
        raise WrongPassword("current", "This is not your password now.")
    try:
        checked_password(given.new)
    except BadPassword as error:
        raise WrongPassword("new", str(error)) from error
    if given.new == given.current:
        raise WrongPassword("new", "This is your password already. Choose another one.")
    if given.new != given.again:
        raise WrongPassword("again", "This is not what you wrote above. Write the new password twice.")
    set_password(session, person, given.new)
    session.add(AuditLine(person_id=person.id, action="change password", detail="their own"))


def require_complete(person: NewPerson) -> None:
    """Raises Incomplete where a role needs what is not said."""
    if Role.SITE in person.roles and person.site_id is None:
        raise Incomplete("A person with the role “site” needs --site CODE.")
    if Role.READER in person.roles and not (person.dicom_name and person.subspecialties):
        raise Incomplete("A reader needs --dicom-name and at least one --subspecialty: both go into every report.")


def change_person(session: Session, person: Person, wanted: NewPerson) -> None:
    """Bring a person to what is wanted. Raises Incomplete, StillReading."""
    changed = [name for name, value in asdict(known(person)).items() if value != getattr(wanted, name)]
    require_complete(wanted)
    if Role.READER not in wanted.roles:
        _require_no_cases(session, person)
    have = {role.name: role for role in person.roles}
    person.roles = [have.get(role) or PersonRole(name=str(role)) for role in wanted.roles]
    for name in changed:
        if name != "roles":
            value = getattr(wanted, name)
            setattr(person, name, list(value) if isinstance(value, tuple) else value)
    said = f"person {person.id}: {', '.join(changed) or 'nothing'}"
    session.add(AuditLine(actor="command line", action="change person", detail=said))


def known(person: Person) -> NewPerson:
    """What is known of a person now."""
    return NewPerson(
        email=person.email,
        display_name=person.display_name,
        roles=tuple(Role(role.name) for role in person.roles),
        dicom_name=person.dicom_name,
        title=person.title,
        organization=person.organization,
        registration_number=person.registration_number,
        registration_body=person.registration_body,
        subspecialties=tuple(person.subspecialties),
        site_id=person.site_id,
    )


def _require_no_cases(session: Session, person: Person) -> None:
    if session.query(Case).filter(Case.reader_id == person.id, Case.state.in_(HELD)).count():
        raise StillReading(f"{person.email} still holds cases. Give them to somebody else on Oversight first.")
