"""Hospitals as a coordinator sees them: how each one is, when it was last heard, what was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from gateway.portal.words import Label
from gateway.site_removal import on_the_way
from gateway.sites import heard_of, turned_away_of
from scp.peers import Right
from worklist.models import Heard, Peer, Site, TurnedAway, now
from worklist.priors import archive_of
from worklist.states import Retrieval
from worklist.turned_away import Caller, turned_away

LATELY = timedelta(days=1)
SOON = timedelta(days=30)
MOST_STRANGERS = 20
RIGHTS: Mapping[Right, str] = {
    Right.STORE: "Send images",
    Right.ECHO: "Verify the connection (C-ECHO)",
    Right.COMMITMENT: "Ask for storage commitment",
    Right.QUERY: "Query what has arrived from this hospital (C-FIND)",
}
RETRIEVALS: Mapping[str, str] = {
    Retrieval.GET: "By C-FIND and C-GET: what it sends comes on our own connection",
    Retrieval.MOVE: "By C-FIND and C-MOVE: it calls us, and sends to our AE title",
    Retrieval.WEB: "By DICOMweb (QIDO-RS and WADO-RS)",
}
OFFERED = (Right.STORE, Right.ECHO, Right.COMMITMENT, Right.QUERY)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that a hospital is bound to; `until` is "" where it is not known."""

    fingerprint: str
    until: str
    state: Label | None


@dataclass(frozen=True, slots=True)
class SiteView:
    """One hospital."""

    site: Site
    senders: list[Peer]
    receivers: list[Peer]
    archive: Peer | None
    certificates: list[Certificate]
    heard: Sequence[Heard]
    refused: Sequence[Caller]
    on_the_way: Mapping[int, int]  # reports that have not arrived, by the receiver's id

    @property
    def last(self) -> datetime | None:
        """When it was last heard."""
        return self.heard[0].at if self.heard else None

    @property
    def states(self) -> list[Label]:
        """How it is, in a few words."""
        said = [Label("Heard", "done") if self.heard else Label("Not heard yet", "")]
        if not self.senders:
            said = [Label("Cannot send", "attention")]
        if any(each.last_at > now() - LATELY for each in self.refused):
            said.append(Label("Refused lately", "attention"))
        return said + [each.state for each in self.certificates if each.state]


def site_view(session: Session, site: Site) -> SiteView:
    """Read one hospital."""
    receivers = [peer for peer in site.peers if peer.receives_reports]
    return SiteView(
        site=site,
        senders=[peer for peer in site.peers if peer.may_send],
        receivers=receivers,
        archive=archive_of(session, site.id),
        certificates=[_certificate(each, site.certificate_ends.get(each, "")) for each in site.certificates],
        heard=heard_of(session, site),
        refused=turned_away_of(session, site),
        on_the_way={peer.id: on_the_way(session, [peer]) for peer in receivers},
    )


def site_views(session: Session) -> list[SiteView]:
    """All hospitals that are not removed."""
    query = select(Site).where(Site.removed_at.is_(None)).order_by(Site.name, Site.code)
    return [site_view(session, each) for each in session.scalars(query.options(selectinload(Site.peers)))]


def strangers(session: Session) -> Sequence[Caller]:
    """Who was refused in the last day under a name that is no hospital's, the last first."""
    ours = select(Peer.ae_title).where(Peer.may_send)
    lately = TurnedAway.last_at > now() - LATELY
    return turned_away(session, lately, TurnedAway.calling.not_in(ours), most=MOST_STRANGERS)


def _certificate(fingerprint: str, until: str) -> Certificate:
    return Certificate(fingerprint, until, _ends(until) if until else None)


def _ends(until: str) -> Label | None:
    today, last = now().date(), date.fromisoformat(until)
    if last < today:
        return Label("Certificate ended", "late")
    return Label("Certificate ends soon", "attention") if last < today + SOON else None
