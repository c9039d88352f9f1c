"""When a study is complete, and how it then becomes a case.

Quiet is the rule: nothing came for so long. A sender that can be asked how many images it has makes it sharper: as many
as it has are enough, fewer are waited for. So does its association: while it is open, the sender may go on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, ScalarSelect, and_, func, not_, or_, select, tuple_, update
from sqlalchemy.orm import Session, aliased, selectinload

from worklist import history, lifecycle
from worklist.cases import facts_of
from worklist.models import Case, CaseStudy, Instance, Series, Study, now
from worklist.routing import Route
from worklist.states import CaseState

A_MOMENT: Final = timedelta(seconds=1)
"""How long a study must have been quiet although all images that its sender has are here."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long to wait for more images of a study.

    `until` is now, or the arrival of the oldest instance that still waits in the inbox: what has not been ingested
    cannot have been missed. `quiet` is the rule, `patience` the longest wait while the sender is known to have more,
    or keeps open (`being_sent`: origin and Study Instance UID) the association on which it sent.
    """

    quiet: timedelta
    patience: timedelta
    until: datetime
    being_sent: Collection[tuple[str, str]] = ()


def something_to_settle(session: Session, waiting: Waiting) -> bool:
    """Whether `settle` would find a study: a look that takes no lock."""
    return session.scalar(select(Study.id).where(*_due(waiting)).limit(1)) is not None


def settle(session: Session, waiting: Waiting, route: Route) -> list[int]:
    """Open a case for every study that is complete; answer with the cases' ids.

    Any number of workers may do it at once; each study is settled by one of them.
    """
    opened = []
    due = select(Study).where(*_due(waiting)).order_by(Study.last_at).options(selectinload(Study.series))
    for study in session.scalars(due).all():
        if not _settled_here(session, study):
            continue
        case = _case_of(session, study)
        if case.state is CaseState.AWAITING_IMAGES:
            _open(session, case, route)
            opened.append(case.id)
        elif case.id not in opened:
            case.images_added_at = study.last_at
    return opened


def _due(waiting: Waiting) -> tuple[ColumnElement[bool], ...]:
    """Complete, not settled, not of a request that is still being written, no other study of its case on its way."""
    mine, theirs, other = aliased(CaseStudy), aliased(CaseStudy), aliased(Study)
    drafted = select(mine.study_id).join(Case, Case.id == mine.case_id).where(Case.state == CaseState.DRAFT)
    on_its_way = (
        select(mine.study_id)
        .join(theirs, theirs.case_id == mine.case_id)
        .join(other, other.id == theirs.study_id)
        .where(other.settled.is_(False), other.last_at > waiting.until - waiting.quiet)
    )
    held_back = (query.where(mine.study_id == Study.id).exists() for query in (drafted, on_its_way))
    return (Study.settled.is_(False), _complete(waiting), *(not_(each) for each in held_back))


def _complete(waiting: Waiting) -> ColumnElement[bool]:
    has_all = and_(_is_counted(), images_here() >= Study.expected)
    going_on = tuple_(Study.origin, Study.study_uid).in_(list(waiting.being_sent))
    return or_(
        and_(has_all, Study.last_at <= waiting.until - A_MOMENT),
        and_(Study.last_at <= waiting.until - waiting.quiet, not_(has_fewer()), not_(going_on)),
        Study.last_at <= waiting.until - max(waiting.patience, waiting.quiet),
    )


def images_here() -> ScalarSelect[int]:
    """How many images of a study were sent; our own reports are none."""
    return (
        select(func.count())
        .select_from(Instance)
        .join(Series, Series.id == Instance.series_id)
        .where(Instance.study_id == Study.id, Series.ours.is_(False))
        .scalar_subquery()
    )


def has_fewer() -> ColumnElement[bool]:
    """Whether the sender of a study, asked about it as it is now, counts more images than are here."""
    return and_(_is_counted(), images_here() < Study.expected)


def _is_counted() -> ColumnElement[bool]:
    return and_(Study.expected.is_not(None), Study.asked_version == Study.version)


def _settled_here(session: Session, study: Study) -> bool:
    """Whether it was us who settled it, as we saw it: of two workers one, and none if an image came meanwhile."""
    changed = session.execute(
        update(Study)
        .where(Study.id == study.id, Study.settled.is_(False), Study.version == study.version)
        .values(settled=True)
        .returning(Study.id)
        .execution_options(synchronize_session=False)
    ).all()
    return bool(changed)


def _case_of(session: Session, study: Study) -> Case:
    """The case that the study belongs to: the request into which it was uploaded, or a new one for a site."""
    existing = session.scalars(select(Case).join(CaseStudy).where(CaseStudy.study_id == study.id)).first()
    if existing is not None:
        return existing
    case = Case(site_id=int(study.origin.removeprefix("site:")), state=CaseState.AWAITING_IMAGES)
    session.add(case)
    session.flush()
    session.add(CaseStudy(case_id=case.id, study_id=study.id))
    session.flush()
    history.tell_what_was_before(session, case, study)
    return case


def _open(session: Session, case: Case, route: Route) -> None:
    session.expire(case, ["studies"])
    routed = route(facts_of(case))
    lifecycle.open_case(
        session,
        case,
        subspecialty=routed.subspecialty,
        priority=routed.priority,
        turnaround_hours=routed.turnaround_hours,
        due_at=now() + timedelta(hours=routed.turnaround_hours),
        routed_by=routed.rule,
        routed_why=routed.why,
    )
