"""Images that came or were replaced after a reader claimed a case: counted from the claim on, none is overlooked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ScalarSelect, func, select

from worklist.models import Case, CaseStudy, Series, Study

CHANGES_OF_A_REPLACEMENT: Final = 2
"""In the versions of series: an image leaves one, and its other version comes into one, which may be another series."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How many images are new, and how many are other versions of what was there."""

    added: int = 0
    replaced: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.replaced)


def images_version(case: Case) -> int:
    """A number that grows with every image of the case and every replacement; our own reports do not count."""
    return sum(series.version for study in case.studies for series in study.series if not series.ours)


def images_ever(case: Case) -> int:
    """How many images the case has been sent; other versions of one are one."""
    return images_version(case) - CHANGES_OF_A_REPLACEMENT * _replaced(case)


def since_claim(case: Case) -> Changes:
    """What changed since the case was claimed; nothing while nobody holds it."""
    if case.claimed_version is None:
        return Changes()
    replaced = _replaced(case) - (case.claimed_replaced or 0)
    changed = images_version(case) - case.claimed_version
    return Changes(changed - CHANGES_OF_A_REPLACEMENT * replaced, replaced)


def version_now() -> ScalarSelect[int]:
    """`images_version` of the row that an UPDATE of `Case` changes, as the database has it at that moment."""
    return (
        select(func.coalesce(func.sum(Series.version), 0))
        .join(CaseStudy, CaseStudy.study_id == Series.study_id)
        .where(CaseStudy.case_id == Case.id, Series.ours.is_(False))
        .correlate(Case)
        .scalar_subquery()
    )


def replaced_now() -> ScalarSelect[int]:
    """How many images of that row's case were ever replaced, as the database has it at that moment."""
    return (
        select(func.coalesce(func.sum(Study.replaced), 0))
        .join(CaseStudy, CaseStudy.study_id == Study.id)
        .where(CaseStudy.case_id == Case.id)
        .correlate(Case)
        .scalar_subquery()
    )


def _replaced(case: Case) -> int:
    return sum(study.replaced for study in case.studies)
