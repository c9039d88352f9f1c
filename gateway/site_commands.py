"""Commands about hospitals: who may send, from where, and where reports go. What they need is loaded when called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import Explained
from gateway.administration import Data, installed, transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.sites import Receiver
    from worklist.models import Site

site = typer.Typer(help="Hospitals and the DICOM peers they send from and receive on.", no_args_is_help=True)
peer = typer.Typer(help="The application entities of a hospital.", no_args_is_help=True)
site.add_typer(peer, name="peer")
Code = Annotated[str, typer.Argument(help="Short code, e.g. ST_MARY.")]
Sends = Annotated[list[str] | None, typer.Option(help="AE title it sends from; several times.")]
Receives = Annotated[list[str] | None, typer.Option(help="AE@HOST:PORT for reports; several times.")]
Proof = Annotated[str, typer.Option(help="What proves a delivery: query, or status if it offers none.")]
From = Annotated[list[str] | None, typer.Option("--address", help="Address or network it calls from; several times.")]


@contextmanager
def _changing(data: Path) -> Iterator[Session]:
    """A change that the receivers see at once."""
    from gateway.installation import Folders, open_installation
    from gateway.sites import write_peer_book

    with transaction(data) as session:
        yield session
    with installed(data) as database:
        write_peer_book(database, Folders(data.absolute()).peers, open_installation(data).dicom.host)


@site.command("add")
def add_site(
    code: Code,
    data: Data,
    name: Annotated[str, typer.Option(help="Name as people read it.")],
    sends_from: Sends = None,
    receives_on: Receives = None,
    proof: Proof = "query",
    address: From = None,
    tls: Annotated[bool, typer.Option("--tls", help="Call its receivers by TLS.")] = False,
) -> None:
    """Add a hospital and its DICOM peers, or more peers to it. Takes effect at once."""
    from gateway.site_words import checked_networks
    from gateway.sites import put_site

    with _changing(data) as session:
        here = put_site(session, code, name, sends_from or [], _receivers(receives_on, proof, tls=tls))
        here.addresses = checked_networks(address) if address else here.addresses
    typer.echo(f"{code} is known." + ("" if address else f" {_ANYWHERE}"))


@site.command("list")
def sites(data: Data) -> None:
    """List the hospitals and their peers."""
    from sqlalchemy import select

    from gateway.tables import show_table
    from worklist.models import Site

    with transaction(data) as session:
        query = select(Site).where(Site.removed_at.is_(None)).order_by(Site.code)
        rows = [(one.code, one.name, *_peers(one)) for one in session.scalars(query)]
    show_table(("Code", "Name", "Sends from", "Addresses", "Receives on", "Proof"), rows)


@site.command("show")
def show_site(code: Code, data: Data) -> None:
    """Show one hospital: its peers, from where they may call, and what was refused lately."""
    from gateway.site_words import REFUSALS
    from gateway.sites import site_by_code, turned_away_of

    with transaction(data) as session:
        here = site_by_code(session, code)
        senders, addresses, receivers, proof = _peers(here)
        typer.echo(f"{here.code}: {here.name}\nsends from: {senders or 'nothing'}")
        for one in here.peers:
            if one.may_send:
                typer.echo(f"  {one.ae_title} may: {', '.join(one.rights) or 'nothing'}")
        typer.echo(f"calls from: {addresses}" + ("" if here.addresses else f". {_ANYWHERE}"))
        typer.echo("certificates: " + (", ".join(here.certificates) or "none bound; plain connections are taken"))
        typer.echo(f"receives on: {receivers or 'nothing'} (proof: {proof or 'none'})")
        for each in turned_away_of(session, here):
            typer.echo(f"refused {each.count}x, last {each.last_at:%Y-%m-%d %H:%M} UTC, {each.calling} from "
                       f"{each.address}: {REFUSALS[each.why]}")  # fmt: skip


@site.command("set")
def set_site(
    code: Code,
    data: Data,
    name: Annotated[str, typer.Option(help="Another name.")] = "",
    address: From = None,
    anywhere: Annotated[bool, typer.Option("--anywhere", help="Take its AE titles from any address.")] = False,
) -> None:
    """Change a hospital's name, or from where it may call; the addresses given replace those before."""
    from gateway.site_words import checked_name, checked_networks
    from gateway.sites import site_by_code

    if not (name or address or anywhere) or (address and anywhere):
        raise Explained("Say what to change: --name NAME, and --address NETWORK (several times) or --anywhere.")
    with _changing(data) as session:
        here = site_by_code(session, code)
        here.name = checked_name(name) if name else here.name
        if address or anywhere:
            here.addresses = checked_networks(address or [])
    typer.echo(f"{code} is changed.")


@site.command("certificate")
def certificate(
    code: Code,
    data: Data,
    file: Annotated[list[Path] | None, typer.Argument(help="PEM files of its TLS client certificates.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Bind none: plain connections are taken again.")] = False,
) -> None:
    """Bind a hospital's AE titles to TLS client certificates; those given replace those before."""
    from gateway.sites import site_by_code
    from scp.tls import BadCertificate, fingerprint_of_file

    if bool(file) == none:
        raise Explained("Give the PEM file of a certificate, or --none.")
    try:
        bound = [fingerprint_of_file(each) for each in file or []]
    except BadCertificate as error:
        raise Explained(str(error)) from error
    with _changing(data) as session:
        site_by_code(session, code).certificates = bound
    typer.echo(f"{code}: " + (f"only with {', '.join(bound)}" if bound else "plain connections are taken"))


@site.command("remove")
def remove(code: Code, data: Data) -> None:
    """Let a hospital send and receive no more; its cases stay."""
    from gateway.sites import remove_site, site_by_code

    with _changing(data) as session:
        gone = remove_site(session, site_by_code(session, code))
    typer.echo(f"{code} is removed." if gone else f"{code} neither sends nor receives any more; its cases stay.")


@peer.command("add")
def add_peer(
    code: Code,
    data: Data,
    sends_from: Sends = None,
    receives_on: Receives = None,
    proof: Proof = "query",
    right: Annotated[list[str] | None, typer.Option(help="Of the senders given: store, echo, ...")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Call the receivers by TLS.")] = False,
) -> None:
    """Add application entities to a hospital, or change them."""
    from gateway.site_words import checked_rights
    from gateway.sites import put_site, site_by_code

    with _changing(data) as session:
        here = site_by_code(session, code)
        put_site(session, code, here.name, sends_from or [], _receivers(receives_on, proof, tls=tls))
        session.expire(here, ["peers"])
        for one in here.peers if right else ():
            if one.may_send and one.ae_title in (sends_from or []):
                one.rights = checked_rights(right or [])
    typer.echo(f"{code} is changed.")


@peer.command("remove")
def remove_ae(code: Code, ae_title: Annotated[str, typer.Argument(help="Its AE title.")], data: Data) -> None:
    """Take an application entity from a hospital: it may neither send nor receive."""
    from gateway.sites import remove_peer, site_by_code

    with _changing(data) as session:
        remove_peer(session, site_by_code(session, code), ae_title)
    typer.echo(f"{ae_title} is removed from {code}.")


_ANYWHERE = "Anybody on the network can use its AE titles; say from where it calls with: overread site set --address"


def _receivers(texts: list[str] | None, proof: str, *, tls: bool) -> list[Receiver]:
    from gateway.sites import Receiver

    if proof not in {"query", "status"}:
        raise Explained("--proof is “query” or “status”.")
    return [Receiver.parse(text, proof, tls=tls) for text in texts or []]


def _peers(one: Site) -> tuple[str, str, str, str]:
    receivers = [each for each in one.peers if each.receives_reports]
    return (
        ", ".join(each.ae_title for each in one.peers if each.may_send),
        ", ".join(one.addresses) or "anywhere",
        ", ".join(f"{each.ae_title}@{each.host}:{each.port}" for each in receivers),
        ", ".join(each.proof for each in receivers),
    )
