"""Proof for the sender: what arrived of a site, when, from which application entity, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from worklist.access import Viewer
from worklist.cut_off import Cut, cuts_of
from worklist.models import Instance, Series, Site, Study, Trouble
from worklist.papers import SAVED
from worklist.states import Role
from worklist.troubles import Decision


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which arrivals: of one site or of all that one may see, whose last image came in this time."""

    site_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    page: int = 1
    per_page: int = 50


@dataclass(frozen=True, slots=True)
class FromSender:
    """What one application entity sent of a study; sizes in bytes of the data sets."""

    ae_title: str
    instances: int
    size: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Objects of one study that did not become part of it, for one reason; `sop_uid` is that of one of them."""

    origin: str
    study_uid: str
    kind: str
    reason: str
    count: int
    status: int
    last_at: datetime
    sender: str
    decision: str
    answer: str
    sop_uid: str

    @property
    def site_id(self) -> int:
        """Whose they are."""
        return int(self.origin.removeprefix("site:"))


@dataclass(frozen=True, slots=True)
class StudyArrival:
    """One study of a site as it arrived."""

    site: Site
    study: Study
    senders: tuple[FromSender, ...]
    not_taken: tuple[NotTaken, ...]
    cut: Cut | None = None

    @property
    def instances(self) -> int:
        """How many instances the archive has of it."""
        return sum(each.instances for each in self.senders)

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(each.size for each in self.senders)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A page of them, the newest first. `homeless` are objects whose study never came: nothing of it was taken."""

    studies: tuple[StudyArrival, ...] = ()
    homeless: tuple[NotTaken, ...] = ()
    more: bool = False
    sites: Mapping[int, Site] = field(default_factory=dict)
    origins: tuple[str, ...] = ()


def visible_sites(session: Session, who: Viewer) -> dict[int, Site]:
    """The sites whose arrivals this person may see: a site's own people theirs, who oversees all."""
    query = select(Site).order_by(Site.name, Site.code)
    if not who.oversees:
        mine = who.site_id if Role.SITE in who.roles else None
        query = query.where(Site.id == mine)
    return {site.id: site for site in session.scalars(query)}


def arrivals(session: Session, who: Viewer, wanted: Wanted) -> Arrivals:
    """What arrived; nothing at all of a site that this person may not see."""
    sites = visible_sites(session, who)
    chosen = [one for one in sites if wanted.site_id in {None, one}]
    origins = {f"site:{one}": sites[one] for one in chosen}
    studies = session.scalars(_studies(wanted, list(origins))).all()
    shown = studies[: wanted.per_page]
    senders, troubles = _senders(session, shown), _not_taken(session, _sent_by(origins), wanted)
    cuts = cuts_of(session, shown)
    found = tuple(
        StudyArrival(
            origins[one.origin],
            one,
            tuple(senders.get(one.id, ())),
            troubles.pop((one.origin, one.study_uid), ()),
            cuts.get(one.id),
        )
        for one in shown
    )
    elsewhere = _known(session, list(troubles))
    homeless = tuple(one for key, reasons in troubles.items() if key not in elsewhere for one in reasons)
    return Arrivals(found, homeless if wanted.page == 1 else (), len(studies) > wanted.per_page, sites, tuple(origins))


def instances_of(session: Session, who: Viewer, site_id: int, study_uid: str) -> Sequence[Instance]:
    """Every instance of one study of a site as it arrived, in the order of arrival; none that one may not see."""
    if site_id not in visible_sites(session, who):
        return ()
    query = (
        select(Instance)
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Instance.study_id)
        .where(Study.origin == f"site:{site_id}", Study.study_uid == study_uid, Series.ours.is_(False))
        .order_by(Instance.received_at, Instance.id)
    )
    return session.scalars(query).all()


def _studies(wanted: Wanted, origins: Sequence[str]) -> Select[Study]:
    query = select(Study).where(Study.origin.in_(origins), *_within(wanted, Study.last_at))
    query = query.order_by(Study.last_at.desc(), Study.id.desc())
    return query.offset((wanted.page - 1) * wanted.per_page).limit(wanted.per_page + 1)


def _within(wanted: Wanted, moment: InstrumentedAttribute[datetime]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        moment >= wanted.since if wanted.since else true(),
        moment < wanted.until if wanted.until else true(),
    )


def _senders(session: Session, studies: Sequence[Study]) -> dict[int, list[FromSender]]:
    counted = (
        select(
            Instance.study_id,
            Instance.sender,
            func.count(),
            cast(func.sum(Instance.size), BigInteger),  # PostgreSQL's sum of these is a numeric
            func.min(Instance.received_at),
            func.max(Instance.received_at),
        )
        .join(Series, Series.id == Instance.series_id)
        .where(Instance.study_id.in_([one.id for one in studies]), Series.ours.is_(False))
        .group_by(Instance.study_id, Instance.sender)
        .order_by(func.min(Instance.received_at))
    )
    found: dict[int, list[FromSender]] = {}
    for row in session.execute(counted):
        found.setdefault(row[0], []).append(FromSender(*row[1:]))
    return found


def _sent_by(origins: Iterable[str]) -> ColumnElement[bool]:
    """What sites sent that was not taken: not what a reader saved into one of their studies."""
    return and_(Trouble.origin.in_(origins), Trouble.sender != SAVED)


def _not_taken(
    session: Session, of_these: ColumnElement[bool], wanted: Wanted
) -> dict[tuple[str, str], tuple[NotTaken, ...]]:
    query = (
        select(
            Trouble.origin,
            Trouble.study_uid,
            Trouble.kind,
            Trouble.reason,
            func.count(),
            Trouble.status,
            func.max(Trouble.received_at),
            Trouble.sender,
            Trouble.decision,
            Trouble.answer,
            func.min(Trouble.sop_uid),
        )
        .where(of_these, Trouble.decision != Decision.ACCEPTED, *_within(wanted, Trouble.received_at))
        .group_by(
            Trouble.origin,
            Trouble.study_uid,
            Trouble.kind,
            Trouble.reason,
            Trouble.status,
            Trouble.sender,
            Trouble.decision,
            Trouble.answer,
        )  # fmt: skip
        .order_by(func.max(Trouble.received_at).desc())
    )
    found: dict[tuple[str, str], tuple[NotTaken, ...]] = {}
    for row in session.execute(query):
        key = row[0], row[1]
        found[key] = (*found.get(key, ()), NotTaken(*row))
    return found


def _known(session: Session, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the studies that we have, on another page of the list."""
    uids = {uid for _, uid in keys}
    rows: Iterator[tuple[str, str]] = (
        (origin, uid)
        for origin, uid in session.execute(select(Study.origin, Study.study_uid).where(Study.study_uid.in_(uids)))
    )
    return set(rows)
