"""Who has looked at the images of a case: the access lines, put together by person and by link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import BigInteger, ColumnElement, and_, cast, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from worklist.models import AccessLine, Case, CaseStudy, Person, ShareLink, Study

T = TypeVar("T")
SEEN = (200, 206, 304)
LOOKS_AT_NONE = ("search", "store", "lost")  # with which actions begin that hand out no image


@dataclass(frozen=True, slots=True)
class Looked:
    """Somebody who has seen images of a case, by an account or by a link, with how many requests."""

    person: Person | None
    link: ShareLink | None
    first_at: datetime
    last_at: datetime
    requests: int


def who_looked(session: Session, case: Case) -> Sequence[Looked]:
    """Everybody who was shown images of this case, the latest first."""
    counted = (
        select(
            AccessLine.person_id,
            AccessLine.link_id,
            func.min(AccessLine.at),
            func.max(AccessLine.last_at),
            cast(func.sum(AccessLine.requests), BigInteger),
        )
        .where(_of(case), AccessLine.status.in_(SEEN), *(~AccessLine.action.startswith(one) for one in LOOKS_AT_NONE))
        .group_by(AccessLine.person_id, AccessLine.link_id)
        .order_by(func.max(AccessLine.last_at).desc())
    )
    return [
        Looked(_row(session, Person, person_id), _row(session, ShareLink, link_id), first, last, requests)
        for person_id, link_id, first, last, requests in session.execute(counted)
    ]


def lines(session: Session, case: Case, most: int) -> Sequence[AccessLine]:
    """The newest lines as they are, with what was asked for and not given."""
    return session.scalars(select(AccessLine).where(_of(case)).order_by(AccessLine.id.desc()).limit(most)).all()


def _of(case: Case) -> ColumnElement[bool]:
    """The clause of a case's lines: asked for below its own address, or by a UID that is of no other origin's study."""
    other = aliased(Study)
    twice = exists().where(other.study_uid == Study.study_uid, other.id != Study.id)
    uids = (
        select(Study.study_uid)
        .join(CaseStudy, CaseStudy.study_id == Study.id)
        .where(CaseStudy.case_id == case.id, ~twice)
    )
    return or_(AccessLine.case_id == case.id, and_(AccessLine.case_id.is_(None), AccessLine.study_uid.in_(uids)))


def _row(session: Session, table: type[T], row_id: int | None) -> T | None:
    return session.get(table, row_id) if row_id else None
