"""Commands about the application entities of a hospital."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import Explained
from gateway.administration import Data
from gateway.site_commands import Code, Proof, Receives, Sends, changing, receivers_from

if TYPE_CHECKING:
    from gateway.sites import Receiver

peer = typer.Typer(help="The application entities of a hospital.", no_args_is_help=True)


@peer.command("add")
def add_peer(
    code: Code,
    data: Data,
    sends_from: Sends = None,
    receives_on: Receives = None,
    proof: Proof = "query",
    right: Annotated[
        list[str] | None, typer.Option(help="Of the senders given: store, echo, commitment, query.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Call the receivers by TLS.")] = False,
    user: Annotated[str, typer.Option(help="Of a DICOMweb; none for a token.")] = "",
    secret_file: Annotated[Path | None, typer.Option(help="File with the password or token for a DICOMweb.")] = None,
) -> None:
    """Add application entities to a hospital, or change them."""
    from gateway.site_words import checked_rights
    from gateway.sites import put_site, site_by_code

    with changing(data, "change site", code) as session:
        here = site_by_code(session, code)
        receivers = receivers_from(receives_on, proof, tls=tls)
        if user or secret_file:
            receivers = with_credentials(data, receivers, user, secret_file)
        put_site(session, code, here.name, sends_from or [], receivers)
        session.expire(here, ["peers"])
        for one in here.peers if right else ():
            if one.may_send and one.ae_title in (sends_from or []):
                one.rights = checked_rights(right or [])
    typer.echo(f"{code} is changed.")


@peer.command("archive")
def archive(
    code: Code,
    data: Data,
    address: Annotated[str, typer.Argument(help="AE@HOST:PORT or DICOMweb URL.")] = "",
    by: Annotated[str, typer.Option(help="How studies come from an AE: get (C-GET) or move (C-MOVE).")] = "get",
    tls: Annotated[bool, typer.Option("--tls", help="Call it by TLS.")] = False,
    user: Annotated[str, typer.Option(help="Of a DICOMweb; none for a token.")] = "",
    secret_file: Annotated[Path | None, typer.Option(help="File with the password or token for a DICOMweb.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Ask no archive any more.")] = False,
) -> None:
    """Say which archive of a hospital is asked for earlier studies; it takes the place of the one before."""
    from gateway.sites import Receiver, forget_archive, let_be_asked, site_by_code
    from worklist.states import Retrieval

    if bool(address) == none or by not in {"get", "move"}:
        raise Explained("Give the archive as AE@HOST:PORT (and --by get or move) or as a DICOMweb URL, or --none.")
    with changing(data, "change site", code) as session:
        here = site_by_code(session, code)
        if none:
            forget_archive(session, here)
        else:
            place = Receiver.parse(address, tls=tls)
            if user or secret_file:
                (place,) = with_credentials(data, [place], user, secret_file)
            let_be_asked(session, here, place, Retrieval.WEB if place.base_url else Retrieval(by))
    typer.echo(f"{code} is changed." + ("" if none else f" Test it with: overread site test {code}"))


@peer.command("remove")
def remove_ae(
    code: Code, name: Annotated[str, typer.Argument(help="Its AE title, or the URL of its DICOMweb.")], data: Data
) -> None:
    """Take an application entity from a hospital: it may neither send nor receive."""
    from gateway.site_removal import remove_peer
    from gateway.site_words import stopped_in_words
    from gateway.sites import site_by_code

    with changing(data, "change site", code) as session:
        stopped = remove_peer(session, site_by_code(session, code), name)
    typer.echo(f"{name} is removed from {code}.{stopped_in_words(stopped)}")


def with_credentials(data: Path, receivers: list[Receiver], user: str, secret_file: Path | None) -> list[Receiver]:
    """Receivers that are called with these credentials. Raises Explained."""
    from gateway.credentials import Safe, authorization
    from gateway.installation import Folders, read_secrets

    try:
        secret = secret_file.read_text().strip() if secret_file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise Explained(f"{secret_file} cannot be read as text: {error}.") from error
    safe, access = Safe.of(read_secrets(Folders(data.absolute()))), authorization(user, secret)
    return [each.allowed(access, safe) for each in receivers]
