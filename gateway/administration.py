"""Commands about people, and what every command about an installation needs; libraries are loaded when called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import Explained
from worklist.states import Role
from worklist.subspecialties import Subspecialty

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from config.database import Database

person = typer.Typer(help="People who sign in.", no_args_is_help=True)
Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of the installation.")]


@contextmanager
def installed(data: Path) -> Iterator[Database]:
    """The installation's database. Raises Explained if there is none, or it does not answer."""
    from sqlalchemy.exc import OperationalError

    from config.database import connect
    from gateway.installation import Folders, open_installation
    from gateway.watching import Bell

    database = connect(open_installation(data).database_url, Bell(Folders(data).bell).ring)
    try:
        yield database
    except OperationalError as error:
        raise Explained(f"The database does not answer: {error.orig}") from error
    finally:
        database.close()


@contextmanager
def transaction(data: Path) -> Iterator[Session]:
    """One transaction on the installation's database. Raises as `installed`."""
    with installed(data) as database, database.writing() as session:
        yield session


@person.command("add")
def add(
    email: Annotated[str, typer.Argument(help="E-mail address, with which the person signs in.")],
    data: Data,
    name: Annotated[str, typer.Option(help="Name as people read it.")],
    role: Annotated[list[Role], typer.Option(help="May be given several times.")],
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
    subspecialty: Annotated[list[Subspecialty] | None, typer.Option(help="Of a reader; several times.")] = None,
    dicom_name: Annotated[str, typer.Option(help="Of a reader: Family^Given^Middle^Prefix^Suffix.")] = "",
    title: Annotated[str, typer.Option(help="Of a reader: e.g. Consultant Radiologist.")] = "",
    organization: Annotated[str, typer.Option(help="Of a reader.")] = "",
    registration: Annotated[str, typer.Option(help="Of a reader: registration number.")] = "",
    registration_body: Annotated[str, typer.Option(help="Of a reader: who registered.")] = "",
    site_code: Annotated[str, typer.Option("--site", help="Of a person of a site: its code.")] = "",
) -> None:
    """Add a person, or bring an existing one up to date."""
    from gateway.accounts.changes import require_complete
    from gateway.accounts.people import NewPerson, add_person, checked_password
    from gateway.site_words import checked_name
    from gateway.sites import site_by_code

    with transaction(data) as session:
        here = site_by_code(session, site_code) if site_code else None
        new = NewPerson(
            email=email,
            display_name=checked_name(name),
            roles=tuple(role),
            dicom_name=dicom_name,
            title=title,
            organization=organization,
            registration_number=registration,
            registration_body=registration_body,
            subspecialties=tuple(subspecialty or ()),
            site_id=here.id if here else None,
        )
        require_complete(new)
        add_person(session, new, checked_password(password))
    typer.echo(f"{email} can sign in.")


@person.command("list")
def people(data: Data) -> None:
    """List everybody who can sign in."""
    from sqlalchemy import select

    from gateway.tables import show_table
    from worklist.models import Person

    rows = []
    with transaction(data) as session:
        for one in session.scalars(select(Person).where(Person.active).order_by(Person.email)):
            roles = ", ".join(sorted(role.name for role in one.roles))
            rows.append((one.email, one.display_name, roles, ", ".join(one.subspecialties),
                         one.site.code if one.site else ""))  # fmt: skip
    show_table(("E-mail", "Name", "Roles", "Subspecialties", "Site"), rows)


@person.command("remove")
def remove(email: Annotated[str, typer.Argument(help="E-mail address of the person.")], data: Data) -> None:
    """Let a person in no more: sessions and tokens end at once; reports and audit keep the name."""
    from gateway.accounts.people import remove_person

    with transaction(data) as session:
        remove_person(session, email)
    typer.echo(f"{email} can no longer sign in.")


@person.command("set")
def change(
    email: Annotated[str, typer.Argument(help="E-mail address of the person.")],
    data: Data,
    name: Annotated[str | None, typer.Option(help="Another name as people read it.")] = None,
    role: Annotated[list[Role] | None, typer.Option(help="Several times; those given replace those before.")] = None,
    subspecialty: Annotated[list[Subspecialty] | None, typer.Option(help="Likewise.")] = None,
    dicom_name: Annotated[str | None, typer.Option(help="Family^Given^Middle^Prefix^Suffix.")] = None,
    title: Annotated[str | None, typer.Option(help="E.g. Consultant Radiologist.")] = None,
    organization: Annotated[str | None, typer.Option(help="Of a reader.")] = None,
    registration: Annotated[str | None, typer.Option(help="Registration number.")] = None,
    registration_body: Annotated[str | None, typer.Option(help="Who registered.")] = None,
    site_code: Annotated[str | None, typer.Option("--site", help="Code of the person's site; “” for none.")] = None,
) -> None:
    """Change what is known of a person, and what they may do; it counts at once, also where they are signed in."""
    from gateway.accounts.changes import change_person, known
    from gateway.accounts.people import NewPerson, person_by_email
    from gateway.site_words import checked_name
    from gateway.sites import site_by_code

    with transaction(data) as session:
        one = person_by_email(session, email)
        before, here = known(one), site_by_code(session, site_code) if site_code else None
        wanted = NewPerson(
            email=before.email,
            display_name=before.display_name if name is None else checked_name(name),
            roles=tuple(role or before.roles),
            dicom_name=_given(dicom_name, before.dicom_name),
            title=_given(title, before.title),
            organization=_given(organization, before.organization),
            registration_number=_given(registration, before.registration_number),
            registration_body=_given(registration_body, before.registration_body),
            subspecialties=tuple(subspecialty or before.subspecialties),
            site_id=before.site_id if site_code is None else here.id if here else None,
        )
        if wanted == before:
            raise Explained(f"Nothing of {email} would change. See: overread person set --help")
        change_person(session, one, wanted)
    typer.echo(f"{email} is changed.")


def _given(text: str | None, before: str) -> str:
    return before if text is None else text


@person.command("password")
def password(
    email: Annotated[str, typer.Argument(help="E-mail address of the person.")],
    data: Data,
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
) -> None:
    """Give a person a new password; they are signed out everywhere, and their tokens end."""
    from gateway.accounts.people import checked_password, person_by_email, set_password

    with transaction(data) as session:
        set_password(session, person_by_email(session, email), checked_password(password))
    typer.echo(f"{email} signs in with the new password from now on.")
