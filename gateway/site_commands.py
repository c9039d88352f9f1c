"""Commands about hospitals: who may send, from where, and where reports go. What they need is loaded when called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import Explained
from gateway.administration import Data, installed, transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from config.settings import Settings
    from gateway.peer_calls import Verdict
    from gateway.sites import Receiver
    from worklist.models import Heard, Peer, Site
    from worklist.turned_away import Caller

site = typer.Typer(help="Hospitals and the DICOM peers they send from and receive on.", no_args_is_help=True)
Code = Annotated[str, typer.Argument(help="Short code, e.g. ST_MARY.")]
Sends = Annotated[list[str] | None, typer.Option(help="AE title it sends from; several times.")]
Receives = Annotated[list[str] | None, typer.Option(help="AE@HOST:PORT or DICOMweb URL for reports; several times.")]
Proof = Annotated[str, typer.Option(help="What proves a delivery: query, or status if it offers none.")]
From = Annotated[list[str] | None, typer.Option("--address", help="Address or network it calls from; several times.")]


@contextmanager
def changing(data: Path, action: str, code: str) -> Iterator[Session]:
    """A change that the audit has and the receivers see at once."""
    from gateway.installation import Folders, open_installation, read_secrets
    from gateway.sites import write_peer_book
    from worklist.models import AuditLine

    with transaction(data) as session:
        yield session
        session.add(AuditLine(actor="command line", action=action, detail=code))
    with installed(data) as database:
        folders = Folders(data.absolute())
        write_peer_book(database, folders.peers, read_secrets(folders).own_title, open_installation(data).dicom.host)


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

    with changing(data, "add site", code) as session:
        here = put_site(session, code, name, sends_from or [], receivers_from(receives_on, proof, tls=tls))
        here.addresses = checked_networks(address) if address else here.addresses
    typer.echo(f"{code} is entered." + ("" if address else f" {_ANYWHERE}"))


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
    """Show one hospital: its peers, from where they may call, when they last did, and what was refused lately."""
    from gateway.sites import heard_of, site_by_code, turned_away_of

    with transaction(data) as session:
        here = site_by_code(session, code)
        for line in (*_described(here), *_traffic(heard_of(session, here), turned_away_of(session, here))):
            typer.echo(line)


@site.command("test")
def test_site(code: Code, data: Data) -> None:
    """Call a hospital's receivers (C-ECHO, or a search by DICOMweb) and its archive, and show what was heard lately."""
    from gateway.installation import open_installation
    from gateway.sites import heard_of, site_by_code, turned_away_of

    settings = open_installation(data)
    with transaction(data) as session:
        here = site_by_code(session, code)
        peers = [each for each in here.peers if each.receives_reports or each.retrieval]
        heard, refused = heard_of(session, here), turned_away_of(session, here)
    if not any(each.receives_reports for each in peers):
        typer.echo(f"No receiver to call; enter one with: overread site peer add {code} --receives-on AE@HOST:PORT")
    good = [_answers(what, verdict) for what, verdict in _calls(settings, peers)]
    for line in _traffic(heard, refused):
        typer.echo(line)
    raise typer.Exit(0 if all(good) else 1)


def _calls(settings: Settings, peers: Sequence[Peer]) -> Iterator[tuple[str, Callable[[], Verdict]]]:
    """What is tried, in words, and trying it."""
    from gateway.archives import archives_of
    from gateway.installation import Folders
    from gateway.peer_calls import PATIENCE, call, call_archive
    from gateway.unlocking import unlock
    from gateway.ways import ways_of
    from scp.inbox import Inbox

    ways = ways_of(settings).patient(PATIENCE)
    for each in peers:
        if each.receives_reports:
            yield f"calling {each.address} ...", partial(call, ways, each)
        if each.retrieval:
            inbox = Inbox(Folders(settings.data).inbox, settings.dicom.inbox_keep_free, unlock(settings))
            archives = archives_of(settings, ways, inbox).patient(PATIENCE)
            yield f"asking {each.address} for earlier studies ...", partial(call_archive, archives, each)


def _answers(what: str, verdict: Callable[[], Verdict]) -> bool:
    typer.echo(what)
    told = verdict()
    typer.echo(f"  {told.words}" + (f" {told.advice}" if told.advice else ""))
    return told.good


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
    with changing(data, "change site", code) as session:
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
    from gateway.sites import bind_certificate, site_by_code
    from scp.tls import BadCertificate, certificate_of_file

    if bool(file) == none:
        raise Explained("Give the PEM file of a certificate, or --none.")
    try:
        bound = [certificate_of_file(each) for each in file or []]
    except BadCertificate as error:
        raise Explained(str(error)) from error
    with changing(data, "change site", code) as session:
        here = site_by_code(session, code)
        here.certificates, here.certificate_ends = [], {}
        for each in bound:
            bind_certificate(here, each)
    named = ", ".join(f"{each.fingerprint} (until {each.until})" for each in bound)
    typer.echo(f"{code}: " + (f"only with {named}" if bound else "plain connections are taken"))


@site.command("remove")
def remove(code: Code, data: Data) -> None:
    """Let a hospital send and receive no more; its cases stay."""
    from gateway.site_removal import remove_site
    from gateway.site_words import stopped_in_words
    from gateway.sites import site_by_code

    with changing(data, "remove site", code) as session:
        stopped = remove_site(session, site_by_code(session, code))
    typer.echo(f"{code} neither sends nor receives any more; its cases stay.{stopped_in_words(stopped)}")


_ANYWHERE = "Anybody on the network can use its AE titles; say from where it calls with: overread site set --address"


def receivers_from(texts: list[str] | None, proof: str, *, tls: bool) -> list[Receiver]:
    """Receivers as they were typed. Raises Explained."""
    from gateway.sites import Receiver

    if proof not in {"query", "status"}:
        raise Explained("--proof is “query” or “status”.")
    return [Receiver.parse(text, proof, tls=tls) for text in texts or []]


def _described(here: Site) -> Iterator[str]:
    senders, addresses, receivers, proof = _peers(here)
    yield f"{here.code}: {here.name}"
    yield f"sends from: {senders or 'nothing'}"
    for one in here.peers:
        if one.may_send:
            yield f"  {one.ae_title} may: {', '.join(one.rights) or 'nothing'}"
    yield f"calls from: {addresses}" + ("" if here.addresses else f". {_ANYWHERE}")
    ends = here.certificate_ends
    bound = [f"{each} (until {ends[each]})" if each in ends else each for each in here.certificates]
    yield "certificates: " + (", ".join(bound) or "none bound; plain connections are taken")
    yield f"receives on: {receivers or 'nothing'} (proof: {proof or 'none'})"
    asked = [f"{each.address} ({each.retrieval})" for each in here.peers if each.retrieval]
    yield "asked for earlier studies: " + (", ".join(asked) or "nobody")


def _traffic(heard: Sequence[Heard], refused: Sequence[Caller]) -> Iterator[str]:
    from gateway.site_words import REFUSALS, lacks_store, negotiated_in_words

    if not heard:
        yield "heard from it: nothing yet"
    for one in heard:
        yield (f"heard {one.ae_title} {one.at:%Y-%m-%d %H:%M} UTC from {one.address}, "
               f"{'by TLS' if one.secure else 'not encrypted'}")  # fmt: skip
        yield from (f"  agreed: {each}" for each in negotiated_in_words(one.accepted))
        yield from (f"  not agreed: {each}" for each in negotiated_in_words(one.declined))
        if lacks_store(one.declined):
            yield (
                "  it may not store: overread site peer add CODE --sends-from "
                + one.ae_title
                + " --right store --right echo"
            )
    for each in refused:
        yield (f"refused {each.count}x, last {each.last_at:%Y-%m-%d %H:%M} UTC, {each.calling} from "
               f"{each.address}: {REFUSALS[each.why]}")  # fmt: skip


def _peers(one: Site) -> tuple[str, str, str, str]:
    receivers = [each for each in one.peers if each.receives_reports]
    return (
        ", ".join(each.ae_title for each in one.peers if each.may_send),
        ", ".join(one.addresses) or "anywhere",
        ", ".join(each.address for each in receivers),
        ", ".join(each.proof for each in receivers),
    )
