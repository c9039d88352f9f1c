"""Commands about the application entities of a hospital."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.administration import Data
from gateway.site_commands import Code, Proof, Receives, Sends, changing, receivers_from

peer = typer.Typer(help="The application entities of a hospital.", no_args_is_help=True)


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

    with changing(data, "change site", code) as session:
        here = site_by_code(session, code)
        put_site(session, code, here.name, sends_from or [], receivers_from(receives_on, proof, tls=tls))
        session.expire(here, ["peers"])
        for one in here.peers if right else ():
            if one.may_send and one.ae_title in (sends_from or []):
                one.rights = checked_rights(right or [])
    typer.echo(f"{code} is changed.")


@peer.command("remove")
def remove_ae(code: Code, ae_title: Annotated[str, typer.Argument(help="Its AE title.")], data: Data) -> None:
    """Take an application entity from a hospital: it may neither send nor receive."""
    from gateway.site_removal import remove_peer
    from gateway.site_words import stopped_in_words
    from gateway.sites import site_by_code

    with changing(data, "change site", code) as session:
        stopped = remove_peer(session, site_by_code(session, code), ae_title)
    typer.echo(f"{ae_title} is removed from {code}.{stopped_in_words(stopped)}")
