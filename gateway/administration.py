"""Commands that change an installation: people and sites. What they need is loaded when they are called."""

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
site = typer.Typer(help="Hospitals and the DICOM peers they send from and receive on.", no_args_is_help=True)
Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of the installation.")]


@contextmanager
def installed(data: Path) -> Iterator[Database]:
    """The installation's database. Raises Explained if there is none, or it does not answer."""
    from sqlalchemy.exc import OperationalError

    from config.database import connect
    from gateway.installation import open_installation

    database = connect(open_installation(data).database_url)
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
    from sqlalchemy import select

    from gateway.accounts.people import NewPerson, add_person
    from worklist.models import Site

    with transaction(data) as session:
        here = session.scalars(select(Site).where(Site.code == site_code)).one_or_none() if site_code else None
        if site_code and here is None:
            raise Explained(f"There is no site {site_code}. See: overread site list --data {data}")
        if Role.SITE in role and here is None:
            raise Explained("A person with the role “site” needs --site CODE.")
        if Role.READER in role and not (dicom_name and subspecialty):
            raise Explained("A reader needs --dicom-name and at least one --subspecialty: both go into every report.")
        new = NewPerson(
            email=email,
            display_name=name,
            roles=tuple(role),
            dicom_name=dicom_name,
            title=title,
            organization=organization,
            registration_number=registration,
            registration_body=registration_body,
            subspecialties=tuple(subspecialty or ()),
            site_id=here.id if here else None,
        )
        add_person(session, new, password)
    typer.echo(f"{email} can sign in.")


@person.command("list")
def people(data: Data) -> None:
    """List everybody who can sign in."""
    from rich.console import Console
    from rich.table import Table
    from sqlalchemy import select

    from worklist.models import Person

    table = Table("E-mail", "Name", "Roles", "Subspecialties", "Site")
    with transaction(data) as session:
        for one in session.scalars(select(Person).order_by(Person.email)):
            roles = ", ".join(sorted(role.name for role in one.roles))
            table.add_row(one.email, one.display_name, roles, ", ".join(one.subspecialties),
                          one.site.code if one.site else "")  # fmt: skip
    Console().print(table)


@person.command("password")
def change_password(
    email: Annotated[str, typer.Argument(help="E-mail address of the person.")],
    data: Data,
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
) -> None:
    """Give a person another password; they are signed out everywhere, and their tokens end."""
    from gateway.accounts.people import person_by_email, set_password

    with transaction(data) as session:
        set_password(session, person_by_email(session, email), password)
    typer.echo(f"{email} signs in with the new password from now on.")


@person.command("deactivate")
def deactivate_person(
    email: Annotated[str, typer.Argument(help="E-mail address of the person.")],
    data: Data,
) -> None:
    """Let a person not sign in any more; they are signed out everywhere, and their tokens end."""
    from gateway.accounts.people import deactivate, person_by_email

    with transaction(data) as session:
        deactivate(session, person_by_email(session, email))
    typer.echo(f"{email} cannot sign in any more.")


@site.command("add")
def add_site(
    code: Annotated[str, typer.Argument(help="Short code, e.g. ST_MARY.")],
    data: Data,
    name: Annotated[str, typer.Option(help="Name as people read it.")],
    sends_from: Annotated[list[str] | None, typer.Option(help="AE title it sends from; several times.")] = None,
    receives_on: Annotated[list[str] | None, typer.Option(help="AE@HOST:PORT for reports; several times.")] = None,
    proof: Annotated[str, typer.Option(help="What proves a delivery: query, or status if it offers none.")] = "query",
) -> None:
    """Add a hospital and its DICOM peers, or more peers to it. Takes effect at once."""
    from gateway.installation import Folders
    from gateway.sites import Receiver, put_site, write_peer_book

    if proof not in {"query", "status"}:
        raise Explained("--proof is “query” or “status”.")
    with transaction(data) as session:
        receivers = [Receiver.parse(text, proof) for text in receives_on or []]
        put_site(session, code, name, sends_from or [], receivers)
    with installed(data) as database:
        write_peer_book(database, Folders(data.absolute()).peers)  # the worker would, within a second
    typer.echo(f"{code} is known.")


@site.command("list")
def sites(data: Data) -> None:
    """List the hospitals and their peers."""
    from rich.console import Console
    from rich.table import Table
    from sqlalchemy import select

    from worklist.models import Site

    table = Table("Code", "Name", "Sends from", "Receives on", "Proof")
    with transaction(data) as session:
        for one in session.scalars(select(Site).order_by(Site.code)):
            receivers = [peer for peer in one.peers if peer.receives_reports]
            table.add_row(
                one.code,
                one.name,
                ", ".join(peer.ae_title for peer in one.peers if peer.may_send),
                ", ".join(f"{peer.ae_title}@{peer.host}:{peer.port}" for peer in receivers),
                ", ".join(peer.proof for peer in receivers),
            )
    Console().print(table)
