"""Images that came after a reader had claimed a case: counted from the claim on, so that none can be overlooked."""

from __future__ import annotations

from sqlalchemy import ScalarSelect, func, select

from worklist.models import Case, CaseStudy, Series


def images_version(case: Case) -> int:
    """A number that grows by one with every image of the case; our own reports do not count."""
    return sum(series.version for study in case.studies for series in study.series if not series.ours)


def images_added(case: Case) -> int:
    """How many images came since the case was claimed; 0 while nobody holds it."""
    return images_version(case) - case.claimed_version if case.claimed_version is not None else 0


def version_now() -> ScalarSelect[int]:
    """`images_version` of the row that an UPDATE of `Case` changes, as the database has it at that moment."""
    return (
        select(func.coalesce(func.sum(Series.version), 0))
        .join(CaseStudy, CaseStudy.study_id == Series.study_id)
        .where(CaseStudy.case_id == Case.id, Series.ours.is_(False))
        .correlate(Case)
        .scalar_subquery()
    )
