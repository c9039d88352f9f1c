"""Sites and their peers, and the receivers' snapshot of them: the receiver must not need the database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

import orjson
from sqlalchemy import or_, select
from sqlalchemy.orm import Session, selectinload

from config.database import Database
from config.errors import Explained
from config.private import write_private
from gateway.credentials import Safe
from gateway.site_removal import retire
from gateway.site_words import BadPeer, checked_base_url, checked_code, checked_host, checked_name, checked_title
from scp.arrival import DICOMWEB, UPLOAD, VIEWER
from scp.tls import Shown
from worklist.models import Heard, Peer, Site, TurnedAway
from worklist.states import Retrieval
from worklist.turned_away import Caller, turned_away

WEB = re.compile(r"https?://", re.IGNORECASE)
NO_AE_TITLES = frozenset({DICOMWEB, UPLOAD, VIEWER})
LOOPBACK = ("127.0.0.0/8", "::1/128")
ADDRESS = re.compile(r"(?P<title>[^@]+)@(?P<host>\[[^\]@]+\]|[^\[\]@:]+):(?P<port>[0-9]{1,5})")


class NoSuchSite(Explained):
    """No site has this code; the message says how to see those that there are."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a site wants its reports: AE@host:port, or a DICOMweb; `access` are credentials, sealed for it."""

    ae_title: str
    host: str
    port: int
    proof: str = "status"
    tls: bool = False
    base_url: str = ""
    access: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str, proof: str = "status", *, tls: bool = False) -> Receiver:
        """Read "DEMO_PACS@127.0.0.1:11113", "PACS@[2001:db8::5]:104" or "https://pacs.example/dicom-web".

        Raises BadPeer.
        """
        if WEB.match(text.strip()):
            base_url = checked_base_url(text)
            return cls("", "", 0, proof, base_url.startswith("https:"), base_url)
        found = ADDRESS.fullmatch(text.strip())
        if found is None or not 0 < int(found["port"]) < 65536:
            raise BadPeer(f"“{text}” is not AE@HOST:PORT, e.g. PACS@10.0.0.5:104, nor a DICOMweb URL.")
        return cls(checked_title(found["title"]), checked_host(found["host"]), int(found["port"]), proof, tls)

    def allowed(self, access: str, safe: Safe) -> Receiver:
        """The same, with these credentials ("" for none), which go by https only. Raises BadPeer."""
        if access and not self.base_url.startswith("https:"):
            raise BadPeer(
                "Credentials are for DICOMweb by https://… only: an AE title has none, and others could read them."
            )
        return replace(self, access=safe.seal(access, self.base_url))


def put_site(session: Session, code: str, name: str, sends_from: list[str], receives: list[Receiver]) -> Site:
    """Make a site, or add peers to it. Raises BadPeer when another site already sends from that AE title."""
    known = session.scalars(select(Site).where(Site.code == code)).one_or_none()
    site = known or Site(code=checked_code(code), name=name)
    site.name, site.removed_at = checked_name(name), None
    session.add(site)
    session.flush()
    for title in {checked_title(each) for each in sends_from}:
        let_send(session, site, title)
    for receiver in receives:
        let_receive(session, site, receiver)
    session.flush()
    return site


def site_by_code(session: Session, code: str) -> Site:
    """The site with this code. Raises NoSuchSite."""
    site = session.scalars(select(Site).where(Site.code == code, Site.removed_at.is_(None))).one_or_none()
    if site is None:
        raise NoSuchSite(f"There is no site {code}. See: overread site list --data DIR")
    return site


def turned_away_of(session: Session, site: Site) -> Sequence[Caller]:
    """Associations under the site's AE titles that were not opened, the last first."""
    titles = [peer.ae_title for peer in site.peers if peer.may_send]
    return turned_away(session, TurnedAway.calling.in_(titles), most=20)


def heard_of(session: Session, site: Site) -> Sequence[Heard]:
    """The last association of each AE title from which the site sends, the last first."""
    titles = [peer.ae_title for peer in site.peers if peer.may_send]
    return session.scalars(select(Heard).where(Heard.ae_title.in_(titles)).order_by(Heard.at.desc())).all()


def bind_certificate(site: Site, shown: Shown) -> None:
    """From now on the site's AE titles come by TLS, with this certificate or another one bound to it."""
    site.certificates = list(dict.fromkeys([*site.certificates, shown.fingerprint]))
    site.certificate_ends = {**site.certificate_ends, shown.fingerprint: shown.until.isoformat()}


def unbind_certificate(site: Site, fingerprint: str) -> None:
    """Take a certificate from a site; without any, plain connections are taken. Raises BadPeer."""
    if fingerprint not in site.certificates:
        raise BadPeer(f"{site.code} has no such certificate any more.")
    site.certificates = [each for each in site.certificates if each != fingerprint]
    site.certificate_ends = {name: day for name, day in site.certificate_ends.items() if name != fingerprint}


def let_receive(session: Session, site: Site, receiver: Receiver) -> Peer:
    """Send this site's reports there; one that was there, or was removed, is the same row again.

    Its credentials stay where none are given.
    """
    peer = _reached_at(session, site, receiver)
    peer.proof, peer.receives_reports = receiver.proof, True
    return peer


def let_be_asked(session: Session, site: Site, archive: Receiver, retrieval: Retrieval) -> Peer:
    """Ask this one, and no other of the site, for earlier studies; by C-MOVE it comes in by our own door.

    Raises BadPeer where that AE title already sends for another site.
    """
    if bool(archive.base_url) != (retrieval is Retrieval.WEB):
        raise BadPeer("C-GET and C-MOVE need AE@HOST:PORT, DICOMweb the URL where it begins.")
    forget_archive(session, site)
    peer = _reached_at(session, site, archive)
    peer.retrieval = retrieval
    session.flush()
    if retrieval is Retrieval.MOVE:
        let_send(session, site, archive.ae_title)
    return peer


def forget_archive(session: Session, site: Site) -> None:
    """Ask nobody of this site for earlier studies any more."""
    asked = select(Peer).where(Peer.site_id == site.id, Peer.retrieval != Retrieval.NONE)
    for peer in session.scalars(asked):
        peer.retrieval = Retrieval.NONE
        if not (peer.may_send or peer.receives_reports):
            retire(session, peer)


def _reached_at(session: Session, site: Site, place: Receiver) -> Peer:
    """The row of one that we call; its credentials stay where none are given."""
    called = or_(Peer.host != "", Peer.base_url != "")
    same = (Peer.ae_title == place.ae_title, Peer.base_url == place.base_url, called)
    rows = select(Peer).where(Peer.site_id == site.id, *same)
    known = session.scalars(rows.order_by(Peer.receives_reports.desc(), Peer.id.desc())).first()
    peer = known or Peer(site_id=site.id, ae_title=place.ae_title)
    peer.host, peer.port, peer.tls = place.host, place.port, place.tls
    peer.base_url, peer.access = place.base_url, place.access or peer.access or ""
    session.add(peer)
    return peer


def let_send(session: Session, site: Site, title: str) -> Peer:
    """Take what comes under this AE title as the site's. Raises BadPeer."""
    if title in NO_AE_TITLES:
        raise BadPeer(f"What does not come from an AE title is called {title} here; the application needs another one.")
    known = session.scalars(select(Peer).where(Peer.ae_title == title, Peer.may_send)).first()
    if known is not None and known.site_id != site.id:
        raise BadPeer(f"The AE title {title} already belongs to the site {known.site.code}.")
    peer = known or Peer(site_id=site.id, ae_title=title, may_send=True)
    session.add(peer)
    return peer


def write_peer_book(database: Database, file: Path, own_title: str, own_host: str = "") -> bool:
    """Bring the receivers' snapshot up to date; False if it already was.

    Our own check comes as `own_title` and from this machine only: from a loopback address, or from `own_host` where we
    listen there.
    """
    with database.reading() as session:
        senders = session.scalars(select(Peer).where(Peer.may_send).options(selectinload(Peer.site)).order_by(Peer.id))
        peers: list[dict[str, str | Sequence[str]]] = [_line(peer) for peer in senders]
    ours = [*LOOPBACK, *_address(own_host)]
    peers.append(
        {"ae_title": own_title, "origin": "self-test", "name": "Overread's own check", "addresses": ours,
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
