"""Sites and their peers, and the receivers' snapshot of them: the receiver must not need the database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from config.database import Database
from config.errors import Explained
from config.private import write_private
from worklist.models import Peer, Site

AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")  # PS3.5 6.2, AE: no backslash, no control characters
DOCTOR = "OVERREAD_DOCTOR"  # our own voice through the front door


class BadPeer(Explained):
    """What was said of a site cannot be used; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a site wants its reports: AE@host:port."""

    ae_title: str
    host: str
    port: int
    proof: str = "status"

    @classmethod
    def parse(cls, text: str, proof: str = "status") -> Receiver:
        """Read "DEMO_PACS@127.0.0.1:11113". Raises BadPeer."""
        title, _, address = text.partition("@")
        host, _, port = address.rpartition(":")
        if not (title and host and port.isdecimal() and port.isascii() and 0 < int(port) < 65536):
            raise BadPeer(f"“{text}” is not AE@HOST:PORT, e.g. PACS@10.0.0.5:104.")
        return cls(checked_title(title), host, int(port), proof)


def checked_title(text: str) -> str:
    """An application entity title. Raises BadPeer."""
    title = text.strip()
    if not AE_TITLE.fullmatch(title):
        raise BadPeer(f"“{text}” is not an AE title: 1 to 16 plain characters without a backslash.")
    return title


def put_site(session: Session, code: str, name: str, sends_from: list[str], receives: list[Receiver]) -> Site:
    """Make a site, or add peers to it. Raises BadPeer when another site already sends from that AE title."""
    site = session.scalars(select(Site).where(Site.code == code)).one_or_none() or Site(code=code, name=name)
    site.name = name
    session.add(site)
    session.flush()
    for title in {checked_title(each) for each in sends_from}:
        _let_send(session, site, title)
    for receiver in receives:
        _let_receive(session, site, receiver)
    session.flush()
    return site


def _let_send(session: Session, site: Site, title: str) -> None:
    known = session.scalars(select(Peer).where(Peer.ae_title == title, Peer.may_send)).first()
    if known is not None and known.site_id != site.id:
        raise BadPeer(f"The AE title {title} already belongs to the site {known.site.code}.")
    if title == DOCTOR:
        raise BadPeer(f"The AE title {DOCTOR} is Overread's own.")
    if known is None:
        session.add(Peer(site_id=site.id, ae_title=title, may_send=True))


def _let_receive(session: Session, site: Site, receiver: Receiver) -> None:
    known = session.scalars(
        select(Peer).where(Peer.site_id == site.id, Peer.ae_title == receiver.ae_title, Peer.receives_reports)
    ).first()
    peer = known or Peer(site_id=site.id, ae_title=receiver.ae_title, receives_reports=True)
    peer.host, peer.port, peer.proof = receiver.host, receiver.port, receiver.proof
    session.add(peer)


def write_peer_book(database: Database, file: Path) -> bool:
    """Bring the receivers' snapshot up to date; False if it already was."""
    with database.reading() as session:
        senders = session.scalars(select(Peer).where(Peer.may_send).options(selectinload(Peer.site)).order_by(Peer.id))
        peers = [
            {"ae_title": peer.ae_title, "origin": f"site:{peer.site_id}", "name": peer.site.name} for peer in senders
        ]
    peers.append({"ae_title": DOCTOR, "origin": "self-test", "name": "Overread's own check"})
    book = {"peers": peers}
    if _is_written(file, book):
        return False
    write_private(file, book)
    return True


def _is_written(file: Path, book: dict[str, list[dict[str, str]]]) -> bool:
    try:
        return bool(orjson.loads(file.read_bytes()) == book)
    except (FileNotFoundError, orjson.JSONDecodeError):
        return False
