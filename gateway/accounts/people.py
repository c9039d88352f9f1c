"""People: how they come into being, change their password, and leave."""

from __future__ import annotations

from dataclasses import dataclass, field

import email_validator
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from config.errors import Explained
from gateway.accounts import devices
from worklist.models import AuditLine, Case, Person, PersonRole
from worklist.states import CaseState, Role

INTERNAL_DOMAINS = frozenset({"local", "arpa"})  # .internal, .lan, .corp and the like are not reserved
LEAST_PASSWORD, MOST_PASSWORD = 8, 200
HELD = (CaseState.CLAIMED, CaseState.ON_HOLD)


class BadAddress(Explained):
    """Nobody could sign in with this e-mail address."""


class BadPassword(Explained):
    """A password that cannot be used; the message says what to write instead."""


class StillReading(Explained):
    """Somebody holds cases; the message says what to do with them first."""


class NoSuchPerson(Explained):
    """Nobody has this e-mail address; the message says which."""


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What must be known of somebody who is to sign in. A reader needs a DICOM name: it goes into every report."""

    email: str
    display_name: str
    roles: tuple[Role, ...]
    dicom_name: str = ""
    title: str = ""
    organization: str = ""
    registration_number: str = ""
    registration_body: str = ""
    subspecialties: tuple[str, ...] = field(default=())
    site_id: int | None = None


def add_person(session: Session, new: NewPerson, password: str) -> Person:
    """Make an account, or bring an existing one up to date (its password too, as `set_password`). Raises BadAddress."""
    check_address(new.email)
    person = _find(session, new.email) or Person(email=new.email.lower())
    person.active = True
    set_password(session, person, password)
    for name in ("display_name", "dicom_name", "title", "organization", "registration_number", "registration_body"):
        setattr(person, name, getattr(new, name))
    person.subspecialties = list(new.subspecialties)
    person.site_id = new.site_id
    have = {role.name: role for role in person.roles}
    person.roles = [have.get(role) or PersonRole(name=str(role)) for role in new.roles]
    session.add(person)
    session.flush()
    return person


def set_password(session: Session, person: Person, password: str) -> None:
    """Another password signs the person out everywhere and takes their tokens away; the same one changes nothing."""
    if is_password_of(person, password):
        return
    person.password = PasswordHasher().hash(password)
    if person.id is not None:
        devices.end_all(session, person)


def deactivate(session: Session, person: Person) -> None:
    """Nobody signs in with this account any more, and whoever has is signed out."""
    person.active = False
    devices.end_all(session, person)


def is_password_of(person: Person, password: str) -> bool:
    """Whether this is the person's password; of one who has none, none is."""
    try:
        return bool(person.password) and PasswordHasher().verify(person.password or "", password)
    except (VerificationError, InvalidHashError):
        return False


def check_address(email: str) -> None:
    """Raises BadAddress for what the sign-in page would not take."""
    allow_internal_domains()
    try:
        validate_email(email, check_deliverability=False)
    except EmailNotValidError as error:
        raise BadAddress(f"“{email}” is not an e-mail address with which one can sign in: {error}") from error


def allow_internal_domains() -> None:
    """Let people of hospital.local sign in: the library takes only domains that mail from outside could reach."""
    for domain in INTERNAL_DOMAINS & {*email_validator.SPECIAL_USE_DOMAIN_NAMES}:
        email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(domain)


def remove_person(session: Session, email: str) -> None:
    """End a person's rights, sessions and tokens; the row stays, since reports and the audit name it.

    Raises NoSuchPerson, and StillReading while the person holds cases.
    """
    person = person_by_email(session, email)
    held = session.scalar(select(func.count(Case.id)).where(Case.reader_id == person.id, Case.state.in_(HELD)))
    if held:
        raise StillReading(f"{email} still holds {held} case(s). Give them to somebody else on Oversight first.")
    person.password = None
    deactivate(session, person)
    session.add(AuditLine(actor="command line", action="remove person", detail=f"person {person.id}"))


def checked_password(password: str) -> str:
    """Raises BadPassword for one that is guessed too soon."""
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise BadPassword(
            f"A password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters: write a sentence, for example."
        )
    return password


def person_by_email(session: Session, email: str) -> Person:
    """The account with this address. Raises NoSuchPerson."""
    person = _find(session, email)
    if person is None or not person.active:
        raise NoSuchPerson(f"Nobody here has the e-mail address {email}.")
    return person


def _find(session: Session, email: str) -> Person | None:
    return session.scalars(select(Person).where(func.lower(Person.email) == email.lower())).one_or_none()
