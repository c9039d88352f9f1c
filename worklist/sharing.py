"""Links that show the images and the signed report of one case to somebody without an account.

The secret of a link and its second secret are known to us by their digests. Every attempt is counted before it is
judged, so that no number of them at once is more than `MOST_MISTAKES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from worklist.access import Link, Viewer
from worklist.lifecycle import NotAllowed, NotFound, WrongState
from worklist.models import AuditLine, Case, ShareLink, ShareVisit, now
from worklist.states import CaseState, Role

MOST_MISTAKES = 8
MOST_LINKS = 50  # of one case that are alive
VISIT = timedelta(hours=12)
LIVES = (1, 7, 30)  # days


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a link shall be. `factor` is the hash of the second secret, `sha256` the digest of the first."""

    made_for: str
    study_ids: frozenset[int]
    days: int
    factor_kind: str
    factor: str
    sha256: str


def may_share(case: Case, who: Viewer) -> bool:
    """Whether this person makes and ends links of this case: its patient, its site, and who oversees."""
    of_site = Role.SITE in who.roles and who.site_id is not None and case.site_id == who.site_id
    of_patient = Role.PATIENT in who.roles and case.patient_id == who.person_id
    return who.oversees or of_site or of_patient


def make(session: Session, case: Case, who: Viewer, wanted: Wanted) -> ShareLink:
    """Write a link down. Raises NotAllowed, WrongState."""
    _require(case, who)
    if not wanted.study_ids or not wanted.study_ids <= {study.id for study in case.studies}:
        raise WrongState("Choose at least one study of this case.")
    if case.state is CaseState.CANCELLED or len(alive(session, case)) >= MOST_LINKS:
        raise WrongState("No more links can be made for this case.")
    link = ShareLink(
        sha256=wanted.sha256, case_id=case.id, study_ids=sorted(wanted.study_ids), made_by=who.person_id,
        made_for=wanted.made_for, factor_kind=wanted.factor_kind, factor=wanted.factor,
        expires_at=now() + timedelta(days=wanted.days),
    )  # fmt: skip
    session.add(link)
    session.flush()
    said = f"link {link.id}, for {wanted.made_for}, {len(wanted.study_ids)} of {len(case.studies)} studies"
    session.add(AuditLine(person_id=who.person_id, action="share", case_id=case.id, detail=said))
    return link


def revoke(session: Session, case: Case, who: Viewer, link_id: int) -> None:
    """End a link now, wherever it is open; again changes nothing. Raises NotAllowed, NotFound."""
    _require(case, who)
    link = session.scalars(select(ShareLink).where(ShareLink.id == link_id, ShareLink.case_id == case.id)).one_or_none()
    if link is None:
        raise NotFound("There is no such link.")
    if link.revoked_at is None:
        link.revoked_at = now()
        said = {"person_id": who.person_id, "action": "end a shared link", "case_id": case.id}
        session.add(AuditLine(**said, detail=f"link {link.id}, for {link.made_for}"))


def of_case(session: Session, case: Case) -> Sequence[ShareLink]:
    """Every link that was ever made for a case, the newest first."""
    return session.scalars(select(ShareLink).where(ShareLink.case_id == case.id).order_by(ShareLink.id.desc())).all()


def alive(session: Session, case: Case) -> Sequence[ShareLink]:
    """The links of a case that still open."""
    return session.scalars(select(ShareLink).where(ShareLink.case_id == case.id, *_alive(now()))).all()


def begin_attempt(session: Session, sha256: str) -> ShareLink | None:
    """Count an attempt at the link with this digest; None if there is none that still opens."""
    counted = (
        update(ShareLink)
        .where(ShareLink.sha256 == sha256, *_alive(now()))
        .values(mistakes=ShareLink.mistakes + 1)
        .returning(ShareLink)
        .execution_options(synchronize_session=False)
    )
    return session.scalars(counted).one_or_none()


def was_good(session: Session, link_id: int, visit_sha256: str, address: str) -> None:
    """The second secret was right: earlier mistakes are forgiven, and a browser may look from now on."""
    link = session.get_one(ShareLink, link_id)
    link.mistakes, link.opened_at = 0, now()
    session.add(ShareVisit(sha256=visit_sha256, link_id=link_id, address=address[:64]))
    session.add(
        AuditLine(actor=f"link {link_id}", action="open a shared link", case_id=link.case_id, detail=link.made_for)
    )


def shown_to(session: Session, visit_sha256: str) -> Link | None:
    """What the browser of this visit may see now; None once the visit, the link or its case has ended."""
    moment = now()
    chosen = (
        select(ShareLink)
        .join(ShareVisit, ShareVisit.link_id == ShareLink.id)
        .join(Case, Case.id == ShareLink.case_id)
        .where(ShareVisit.sha256 == visit_sha256, ShareVisit.created_at > moment - VISIT)
        .where(Case.state != CaseState.CANCELLED, *_alive(moment, judged=True))
    )
    link = session.scalars(chosen).one_or_none()
    return Link(link.id, link.case_id, frozenset(link.study_ids)) if link else None


def end_visit(session: Session, visit_sha256: str) -> None:
    """Let one browser look no longer."""
    visit = session.scalars(select(ShareVisit).where(ShareVisit.sha256 == visit_sha256)).one_or_none()
    if visit is not None:
        session.delete(visit)


def _alive(moment: datetime, *, judged: bool = False) -> tuple[ColumnElement[bool], ...]:
    """The clause of a link that opens. `judged`: one that was opened already stays so whatever others try."""
    tried = () if judged else (ShareLink.mistakes < MOST_MISTAKES,)
    return (ShareLink.revoked_at.is_(None), ShareLink.expires_at > moment, *tried)


def _require(case: Case, who: Viewer) -> None:
    if not may_share(case, who):
        raise NotAllowed("Only the patient, the hospital and coordinators share a case.")
