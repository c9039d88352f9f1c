"""Commands that change an installation: people, sites, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from config.database import Database, connect
from config.settings import ConfigurationError, Settings
from gateway.accounts.people import NewPerson, NoSuchPerson, add_person, issue_token
from gateway.assets import AssetsMissing
from gateway.installation import open_installation
from gateway.sites import BadPeer, Receiver, put_site
from gateway.supervisor import StartFailed
from orthanc.errors import ArchiveUnavailable
from worklist.models import Person, Site
from worklist.routing import RuleFileError
from worklist.states import Role
from worklist.subspecialties import Subspecialty

# What is said in one sentence instead of a traceback.
EXPECTED = (
    ArchiveUnavailable,
    AssetsMissing,
    BadPeer,
    ConfigurationError,
    NoSuchPerson,
    OperationalError,
    RuleFileError,
    StartFailed,
)

person = typer.Typer(help="People who sign in.", no_args_is_help=True)
site = typer.Typer(help="Hospitals and the DICOM peers they send from and receive on.", no_args_is_help=True)
Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of the installation.")]


def settings_of(data: Path) -> Settings:
    """The installation's settings. Raises ConfigurationError if there is none."""
    return open_installation(data)


@contextmanager
def database_of(settings: Settings) -> Iterator[Database]:
    """The installation's database for the length of a block."""
    database = connect(settings.database_url)
    try:
        yield database
    finally:
        database.close()


def make_token(data: Path, email: str) -> str:
    """A bearer token for one person. Raises NoSuchPerson."""
    with database_of(settings_of(data)) as database, database.writing() as session:
        return issue_token(session, email)


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
    with database_of(settings_of(data)) as database, database.writing() as session:
        here = session.scalars(select(Site).where(Site.code == site_code)).one_or_none() if site_code else None
        if site_code and here is None:
            raise BadPeer(f"There is no site {site_code}. See: overread site list --data {data}")
        if Role.SITE in role and here is None:
            raise BadPeer("A person with the role “site” needs --site CODE.")
        if Role.READER in role and not (dicom_name and subspecialty):
            raise BadPeer("A reader needs --dicom-name and at least one --subspecialty: both go into every report.")
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
    table = Table("E-mail", "Name", "Roles", "Subspecialties", "Site")
    with database_of(settings_of(data)) as database, database.reading() as session:
        for one in session.scalars(select(Person).order_by(Person.email)):
            roles = ", ".join(sorted(role.name for role in one.roles))
            table.add_row(one.email, one.display_name, roles, ", ".join(one.subspecialties),
                          one.site.code if one.site else "")  # fmt: skip
    Console().print(table)


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
    if proof not in {"query", "status"}:
        raise BadPeer("--proof is “query” or “status”.")
    with database_of(settings_of(data)) as database, database.writing() as session:
        receivers = [Receiver.parse(text, proof) for text in receives_on or []]
        put_site(session, code, name, sends_from or [], receivers)
    typer.echo(f"{code} is known.")


@site.command("list")
def sites(data: Data) -> None:
    """List the hospitals and their peers."""
    table = Table("Code", "Name", "Sends from", "Receives on", "Proof")
    with database_of(settings_of(data)) as database, database.reading() as session:
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
