"""What a coordinator changes about a hospital: one function for each form of its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage, MultiDict

from gateway.credentials import Safe, authorization
from gateway.site_removal import retire
from gateway.site_words import (
    BadPeer,
    checked_name,
    checked_networks,
    checked_rights,
    checked_title,
    stopped_in_words,
)
from gateway.sites import (
    Receiver,
    bind_certificate,
    forget_archive,
    let_be_asked,
    let_receive,
    let_send,
    unbind_certificate,
)
from scp.tls import BadCertificate, certificate_of_pem
from worklist.models import Peer, Site
from worklist.states import Retrieval

LARGEST_CERTIFICATE = 64 << 10  # bytes; one with its chain is a tenth of that


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent."""

    fields: MultiDict[str, str]
    files: MultiDict[str, FileStorage]
    safe: Safe

    def text(self, name: str) -> str:
        """One field; empty where it is not there."""
        return self.fields.get(name, "").strip()


Change = Callable[[Session, Site, Form], str]


def details(session: Session, site: Site, form: Form) -> str:
    """Name, and from where its AE titles may call."""
    del session
    site.name = checked_name(form.text("name"))
    site.addresses = checked_networks(form.text("addresses").replace(",", " ").split())
    return "Saved."


def sender(session: Session, site: Site, form: Form) -> str:
    """An AE title from which it sends, and what that may do."""
    title = checked_title(form.text("sender"))
    let_send(session, site, title).rights = checked_rights(form.fields.getlist("right"))
    return f"{title} may call us now."


def rights(session: Session, site: Site, form: Form) -> str:
    """What one of its AE titles may do."""
    peer = _peer(session, site, form)
    peer.rights = checked_rights(form.fields.getlist("right"))
    return f"{peer.ae_title} may: {', '.join(peer.rights) or 'nothing'}."


def receiver(session: Session, site: Site, form: Form) -> str:
    """Where its reports go; one of the same AE title, or DICOMweb address, is changed."""
    proof = "query" if form.text("proof") == "query" else "status"
    made = Receiver.parse(form.text("receiver"), proof, tls=form.text("tls") == "yes")
    access = authorization(form.text("user"), form.text("secret"))
    peer = let_receive(session, site, made.allowed(access, form.safe))
    return f"Reports go to {peer.address} from now on. Test it below."


def archive(session: Session, site: Site, form: Form) -> str:
    """Where its earlier studies are asked for; the one before is asked no more."""
    made = Receiver.parse(form.text("archive"), tls=form.text("tls") == "yes")
    by_network = Retrieval.MOVE if form.text("retrieval") == Retrieval.MOVE else Retrieval.GET
    retrieval = Retrieval.WEB if made.base_url else by_network
    access = authorization(form.text("user"), form.text("secret"))
    peer = let_be_asked(session, site, made.allowed(access, form.safe), retrieval)
    door = f" {peer.ae_title} may send to us now." if retrieval is Retrieval.MOVE else ""
    return f"{peer.address} is asked for earlier studies from now on.{door} Test it below."


def archive_gone(session: Session, site: Site, form: Form) -> str:
    """Ask nobody for its earlier studies any more."""
    del form
    forget_archive(session, site)
    return "No archive is asked for earlier studies any more. What is here stays."


def peer_gone(session: Session, site: Site, form: Form) -> str:
    """Take one of its application entities away."""
    peer = _peer(session, site, form)
    return f"{peer.name} is removed.{stopped_in_words(retire(session, peer))}"


def certificate(session: Session, site: Site, form: Form) -> str:
    """Bind it to a certificate, pasted or as a file."""
    del session
    file = form.files.get("file")
    pem = form.text("pem").encode() or (file.read(LARGEST_CERTIFICATE) if file else b"")
    if not pem:
        raise BadPeer("Paste the certificate, or choose its file.")
    try:
        shown = certificate_of_pem(pem, "This")
    except BadCertificate as error:
        raise BadPeer(str(error)) from error
    bind_certificate(site, shown)
    return "Bound. From now on its AE titles come in by TLS only, with a certificate listed below."


def certificate_gone(session: Session, site: Site, form: Form) -> str:
    """Unbind it from a certificate."""
    del session
    unbind_certificate(site, form.text("fingerprint"))
    return "Removed." if site.certificates else "Removed. Connections that are not encrypted are taken again."


CHANGES: Mapping[str, Change] = {
    "details": details,
    "sender": sender,
    "rights": rights,
    "receiver": receiver,
    "archive": archive,
    "archive-gone": archive_gone,
    "peer-gone": peer_gone,
    "certificate": certificate,
    "certificate-gone": certificate_gone,
}


def _peer(session: Session, site: Site, form: Form) -> Peer:
    number = form.text("peer")
    peer = session.get(Peer, int(number)) if number.isdecimal() and len(number) < 10 else None
    if peer is None or peer.site_id != site.id or not (peer.may_send or peer.receives_reports):
        raise BadPeer("It was removed meanwhile.")
    return peer
