"""Sites and their peers, and the receivers' snapshot of them: the receiver must not need the database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from config.database import Database
from config.errors import Explained
from config.private import write_private
from gateway.site_words import BadPeer, checked_code, checked_host, checked_name, checked_title
from worklist.models import AuditLine, Case, Delivery, Peer, Person, Site, Study, TurnedAway, now

DOCTOR = "OVERREAD_DOCTOR"  # our own voice through the front door
LOOPBACK = ("127.0.0.0/8", "::1/128")
ADDRESS = re.compile(r"(?P<title>[^@]+)@(?P<host>\[[^\]@]+\]|[^\[\]@:]+):(?P<port>[0-9]{1,5})")


class NoSuchSite(Explained):
    """No site has this code; the message says how to see those that there are."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a site wants its reports: AE@host:port."""

    ae_title: str
    host: str
    port: int
    proof: str = "status"
    tls: bool = False

    @classmethod
    def parse(cls, text: str, proof: str = "status", *, tls: bool = False) -> Receiver:
        """Read "DEMO_PACS@127.0.0.1:11113", or "PACS@[2001:db8::5]:104". Raises BadPeer."""
        found = ADDRESS.fullmatch(text.strip())
        if found is None or not 0 < int(found["port"]) < 65536:
            raise BadPeer(f"“{text}” is not AE@HOST:PORT, e.g. PACS@10.0.0.5:104.")
        return cls(checked_title(found["title"]), checked_host(found["host"]), int(found["port"]), proof, tls)


def put_site(session: Session, code: str, name: str, sends_from: list[str], receives: list[Receiver]) -> Site:
    """Make a site, or add peers to it. Raises BadPeer when another site already sends from that AE title."""
    known = session.scalars(select(Site).where(Site.code == code)).one_or_none()
    site = known or Site(code=checked_code(code), name=name)
    site.name, site.removed_at = checked_name(name), None
    session.add(site)
    session.flush()
    for title in {checked_title(each) for each in sends_from}:
        _let_send(session, site, title)
    for receiver in receives:
        _let_receive(session, site, receiver)
    session.flush()
    return site


def site_by_code(session: Session, code: str) -> Site:
    """The site with this code. Raises NoSuchSite."""
    site = session.scalars(select(Site).where(Site.code == code, Site.removed_at.is_(None))).one_or_none()
    if site is None:
        raise NoSuchSite(f"There is no site {code}. See: overread site list --data DIR")
    return site


def turned_away_of(session: Session, site: Site) -> Sequence[TurnedAway]:
    """Associations under the site's AE titles that were not opened, the last first."""
    titles = [peer.ae_title for peer in site.peers]
    query = select(TurnedAway).where(TurnedAway.calling.in_(titles)).order_by(TurnedAway.last_at.desc())
    return session.scalars(query.limit(20)).all()


def remove_peer(session: Session, site: Site, ae_title: str) -> None:
    """Let a peer neither send nor receive any more; the row stays where a delivery names it. Raises BadPeer."""
    found = session.scalars(select(Peer).where(Peer.site_id == site.id, Peer.ae_title == ae_title)).all()
    if not any(peer.may_send or peer.receives_reports for peer in found):
        raise BadPeer(f"{site.code} has no peer {ae_title}. See: overread site show {site.code} --data DIR")
    for peer in found:
        _retire(session, peer)


def remove_site(session: Session, site: Site) -> bool:
    """Let nobody of this site in any more; False if its row had to stay because there are cases of it."""
    people = session.scalars(select(Person).where(Person.site_id == site.id)).all()
    for person in people:
        person.site_id = None
    for peer in session.scalars(select(Peer).where(Peer.site_id == site.id)).all():
        _retire(session, peer)
    session.flush()
    session.add(AuditLine(actor="command line", action="remove site", detail=site.code))
    needed = (
        session.scalar(select(func.count(Peer.id)).where(Peer.site_id == site.id))
        or session.scalar(select(func.count(Case.id)).where(Case.site_id == site.id))
        or session.scalar(select(func.count(Study.id)).where(Study.origin == f"site:{site.id}"))
    )
    if needed:
        site.removed_at = now()
        return False
    session.delete(site)
    return True


def _retire(session: Session, peer: Peer) -> None:
    if session.scalar(select(func.count(Delivery.id)).where(Delivery.peer_id == peer.id)):
        peer.may_send = peer.receives_reports = False
    else:
        session.delete(peer)


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
    peer.host, peer.port, peer.proof, peer.tls = receiver.host, receiver.port, receiver.proof, receiver.tls
    session.add(peer)


def write_peer_book(database: Database, file: Path, own_host: str = "") -> bool:
    """Bring the receivers' snapshot up to date; False if it already was.

    Our own check comes from this machine only: from a loopback address, or from `own_host` where we listen there.
    """
    with database.reading() as session:
        senders = session.scalars(select(Peer).where(Peer.may_send).options(selectinload(Peer.site)).order_by(Peer.id))
        peers: list[dict[str, str | Sequence[str]]] = [_line(peer) for peer in senders]
    ours = [*LOOPBACK, *_address(own_host)]
    peers.append(
        {"ae_title": DOCTOR, "origin": "self-test", "name": "Overread's own check", "addresses": ours,
         "rights": ["store", "echo"]}
    )  # fmt: skip
    book = {"peers": peers}
    if _is_written(file, book):
        return False
    write_private(file, book)
    return True


def _line(peer: Peer) -> dict[str, str | Sequence[str]]:
    return {
        "ae_title": peer.ae_title,
        "origin": f"site:{peer.site_id}",
        "name": peer.site.name,
        "addresses": peer.site.addresses,
        "rights": peer.rights,
        "certificates": peer.site.certificates,
    }


def _is_written(file: Path, book: dict[str, list[dict[str, str | Sequence[str]]]]) -> bool:
    try:
        return bool(orjson.loads(file.read_bytes()) == book)
    except (FileNotFoundError, orjson.JSONDecodeError):
        return False


def _address(host: str) -> list[str]:
    """Our own address, where we listen on one only; a name is not looked up here."""
    try:
        address = ip_address(host)
    except ValueError:
        return []
    return [] if address.is_unspecified else [str(address)]
