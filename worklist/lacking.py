"""Studies without a case yet, because their sender counts more images than are here: nothing else shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, true
from sqlalchemy.orm import Session

from worklist.models import CaseStudy, Study
from worklist.settling import has_fewer, images_here

MOST = 100


@dataclass(frozen=True, slots=True)
class Lacking:
    """`here` of `expected` images arrived; the others are waited for `until` then, and no longer."""

    study: Study
    here: int
    expected: int
    until: datetime

    @property
    def missing(self) -> int:
        """How many images are waited for."""
        return self.expected - self.here


def lacking(session: Session, patience: timedelta, origin: str = "") -> list[Lacking]:
    """The studies that wait, of one origin or of all, the first to end first; `patience` is the longest wait."""
    without_case = ~select(CaseStudy.case_id).where(CaseStudy.study_id == Study.id).exists()
    query = select(Study, images_here(), Study.expected).where(
        Study.settled.is_(False), has_fewer(), without_case, Study.origin == origin if origin else true()
    )
    found = session.execute(query.order_by(Study.last_at).limit(MOST))
    return [Lacking(study, here, expected or here, study.last_at + patience) for study, here, expected in found]
