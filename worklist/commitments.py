"""Storage commitment transactions as rows: what senders asked, what we hold of it, and what senders say there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, distinct, false, func, insert, select, true, update
from sqlalchemy.orm import Session

from worklist.access import Viewer
from worklist.models import Commitment, CommitmentItem, Instance, Peer, Site, Study, Trouble
from worklist.states import CommitmentState, Role, TroubleKind
from worklist.troubles import Decision

COMMITTED = 0
MOST = 50
Reasons = Mapping[int, int]
"""How many instances failed, by Failure Reason."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One transaction as it came."""

    key: str
    origin: str
    sender: str
    transaction_uid: str
    references: Mapping[str, str]  # SOP Instance UID -> SOP Class UID


@dataclass(frozen=True, slots=True)
class Held:
    """One instance that an origin has here. `head` and `sha256` together are the archive's file."""

    study_id: int
    sop_class_uid: str
    transfer_syntax: str
    sha256: str
    archive_id: str


@dataclass(frozen=True, slots=True)
class CommitmentView:
    """One transaction for the sender and the coordinator. `address`: whether its report has somewhere to go."""

    row: Commitment
    site: Site | None
    asked: int
    committed: int
    failed: Reasons
    address: bool


def is_in_use(session: Session, key: str) -> bool:
    """Tell whether the transaction of this key has its Transaction UID in common with another one."""
    return session.scalars(
        select(Commitment.id).where(Commitment.key.startswith(key[:32]), Commitment.key != key)
    ).first() is not None  # fmt: skip


def keep_items(session: Session, commitment: Commitment, references: Mapping[str, str], reason: int | None) -> None:
    """Write what a transaction asks for, in the place of what was there."""
    session.flush()
    session.execute(delete(CommitmentItem).where(CommitmentItem.commitment_id == commitment.id))
    rows = [
        {"commitment_id": commitment.id, "sop_uid": uid, "sop_class_uid": kind, "reason": reason}
        for uid, kind in references.items()
    ]
    session.execute(insert(CommitmentItem), rows)


def unjudged(session: Session, commitment_id: int, limit: int) -> Sequence[CommitmentItem]:
    """Return the next items of a transaction that nobody has judged."""
    mine = (CommitmentItem.commitment_id == commitment_id, CommitmentItem.reason.is_(None))
    return session.scalars(select(CommitmentItem).where(*mine).order_by(CommitmentItem.sop_uid).limit(limit)).all()


def held_by(session: Session, origin: str, sop_uids: Sequence[str]) -> dict[str, list[Held]]:
    """Return what one origin has here under these SOP Instance UIDs; nothing of anybody else's."""
    found = session.execute(
        select(Instance, Study.id)
        .join(Study, Study.id == Instance.study_id)
        .where(Study.origin == origin, Instance.sop_uid.in_(sop_uids))
    )
    held: dict[str, list[Held]] = {}
    for row, study_id in found:
        one = Held(study_id, row.sop_class_uid, row.transfer_syntax, row.sha256, row.archive_id)
        held.setdefault(row.sop_uid, []).append(one)
    return held


def kept_aside(session: Session, origin: str, sop_uids: Sequence[str]) -> set[str]:
    """Return those of which this origin also sent something that went into quarantine."""
    mine = (Trouble.origin == origin, Trouble.kind == TroubleKind.QUARANTINED, Trouble.sop_uid.in_(sop_uids))
    return set(session.scalars(select(Trouble.sop_uid).where(*mine, Trouble.decision != Decision.ACCEPTED)))


def expected_instances(session: Session, study_id: int) -> set[str]:
    """Return the SOP Instance UIDs that commitment requests of the study's origin say that it has.

    A request names no study: what we do not hold counts to the study in which all lies that we do hold of the request.
    """
    origin = select(Study.origin).where(Study.id == study_id).scalar_subquery()
    alone = (
        select(CommitmentItem.commitment_id)
        .join(Commitment)
        .where(Commitment.origin == origin, CommitmentItem.study_id.is_not(None))
        .group_by(CommitmentItem.commitment_id)
        .having(func.count(distinct(CommitmentItem.study_id)) == 1, func.min(CommitmentItem.study_id) == study_id)
    )
    of_it = CommitmentItem.study_id == study_id
    missing = CommitmentItem.study_id.is_(None) & CommitmentItem.commitment_id.in_(alone)
    return set(session.scalars(select(CommitmentItem.sop_uid).where(of_it | missing)))


def look_again(session: Session, commitment_id: int) -> None:
    """Let the completeness of the studies be looked at anew of which a transaction names instances."""
    named = select(CommitmentItem.study_id).where(CommitmentItem.commitment_id == commitment_id)
    session.execute(
        update(Study).where(Study.id.in_(named)).values(checked_version=-1).execution_options(synchronize_session=False)
    )


def visible(session: Session, who: Viewer, site_id: int | None = None) -> list[CommitmentView]:
    """Return the newest transactions that this person may see, with their counts."""
    query = select(Commitment).where(_mine(who))
    if site_id is not None:
        query = query.where(Commitment.origin == f"site:{site_id}")
    rows = session.scalars(query.order_by(Commitment.received_at.desc(), Commitment.id.desc()).limit(MOST)).all()
    counts = _counts(session, [row.id for row in rows])
    sites = {f"site:{site.id}": site for site in session.scalars(select(Site))}
    called = {
        (f"site:{peer.site_id}", peer.ae_title) for peer in session.scalars(select(Peer).where(Peer.receives_reports))
    }
    return [
        _view(row, sites.get(row.origin), counts.get(row.id, {}), address=(row.origin, row.sender) in called)
        for row in rows
    ]


def items_of(session: Session, who: Viewer, commitment_id: int) -> Sequence[CommitmentItem]:
    """Return what one transaction asked for; nothing if this person may not see it."""
    mine = (CommitmentItem.commitment_id == commitment_id, _mine(who))
    return session.scalars(select(CommitmentItem).join(Commitment).where(*mine).order_by(CommitmentItem.sop_uid)).all()


def _mine(who: Viewer) -> ColumnElement[bool]:
    if who.oversees:
        return true()
    if Role.SITE in who.roles and who.site_id is not None:
        return Commitment.origin == f"site:{who.site_id}"
    return false()


def _counts(session: Session, ids: Sequence[int]) -> dict[int, dict[int | None, int]]:
    counted = select(CommitmentItem.commitment_id, CommitmentItem.reason, func.count()).where(
        CommitmentItem.commitment_id.in_(ids)
    )
    counts: dict[int, dict[int | None, int]] = {}
    for commitment_id, reason, number in session.execute(
        counted.group_by(CommitmentItem.commitment_id, CommitmentItem.reason)
    ):
        counts.setdefault(commitment_id, {})[reason] = number
    return counts


def _view(row: Commitment, site: Site | None, counts: Mapping[int | None, int], *, address: bool) -> CommitmentView:
    settled = row.state is not CommitmentState.ASKED
    failed = {reason: number for reason, number in counts.items() if reason and settled}
    committed = counts.get(COMMITTED, 0) if settled else 0
    return CommitmentView(row, site, sum(counts.values()), committed, failed, address)
