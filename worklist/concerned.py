"""What a decision about an object that was kept aside is about: its study, and the cases in which that is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklist.history import cases_of
from worklist.models import Case, Study, Trouble


@dataclass(frozen=True, slots=True)
class Concerned:
    """`study` is None while none of its images was taken."""

    study: Study | None
    cases: Sequence[Case]


def concerned(session: Session, one: Trouble) -> Concerned:
    """The study of the object's own origin, and its cases in the order of their numbers."""
    same = (Study.origin == one.origin, Study.study_uid == one.study_uid)
    numbers = cases_of(session, one.origin, one.study_uid)
    cases = session.scalars(select(Case).where(Case.id.in_(numbers)).order_by(Case.id)).all()
    return Concerned(session.scalars(select(Study).where(*same)).first(), cases)
