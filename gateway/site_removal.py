"""Taking peers and sites away: they neither send nor receive, and a report on its way waits for a person."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from gateway.site_words import BadPeer
from worklist.models import Case, Delivery, Peer, Person, Site, Study, now
from worklist.states import DeliveryState

STOPPED = (
    "The receiver was removed before this report arrived there. Give it to the hospital in another way, "
    "or enter the receiver again and choose “Try now”."
)


def remove_peer(session: Session, site: Site, name: str) -> int:
    """Let a peer neither send nor receive; how many reports were still on their way to it. Raises BadPeer.

    `name` is its AE title, or the URL of its DICOMweb.
    """
    peers = session.scalars(select(Peer).where(Peer.site_id == site.id)).all()
    found = [peer for peer in peers if peer.name == name]
    if not any(peer.may_send or peer.receives_reports or peer.retrieval for peer in found):
        raise BadPeer(f"{site.code} has no peer {name}. See: overread site show {site.code} --data DIR")
    return sum(retire(session, peer) for peer in found)


def remove_site(session: Session, site: Site) -> int:
    """Let nobody of this site in any more; how many reports were still on their way to it. Its cases stay."""
    for person in session.scalars(select(Person).where(Person.site_id == site.id)).all():
        person.site_id = None
    stopped = sum(retire(session, peer) for peer in session.scalars(select(Peer).where(Peer.site_id == site.id)).all())
    session.flush()
    if _is_named(session, site):
        site.removed_at = now()
    else:
        session.delete(site)
    return stopped


def retire(session: Session, peer: Peer) -> int:
    """Take one peer away, and stop what was on its way to it: how many reports that were.

    The row stays where a delivery names it.
    """
    named = session.scalar(select(func.count(Delivery.id)).where(Delivery.peer_id == peer.id))
    if not named:
        session.delete(peer)
        return 0
    peer.may_send = peer.receives_reports = False
    peer.access = peer.retrieval = ""
    waiting = update(Delivery).where(Delivery.peer_id == peer.id, Delivery.state != DeliveryState.PROVEN)
    stopped = waiting.values(state=DeliveryState.NEEDS_PERSON, next_attempt_at=None, last_error=STOPPED)
    return len(session.scalars(stopped.returning(Delivery.id)).all())


def on_the_way(session: Session, peers: list[Peer]) -> int:
    """How many reports have not arrived at these peers."""
    waiting = Delivery.state != DeliveryState.PROVEN, Delivery.peer_id.in_([peer.id for peer in peers])
    return session.scalar(select(func.count(Delivery.id)).where(*waiting)) or 0


def _is_named(session: Session, site: Site) -> bool:
    rows = (
        select(func.count(Peer.id)).where(Peer.site_id == site.id),
        select(func.count(Case.id)).where(Case.site_id == site.id),
        select(func.count(Study.id)).where(Study.origin == f"site:{site.id}"),
    )
    return any(session.scalar(each) for each in rows)
