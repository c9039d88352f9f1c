"""Who sees a working paper, what a reader saved from the viewer: the reader of the case, and those who oversee.

`worklist.access` says which studies are in sight; this says which series of them are. A statement that has one of these
clauses is executed with `seeing(viewer)`; without it the database refuses to run it. See docs/adr/0012.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, ColumnElement, bindparam, exists, or_, select

from worklist.access import Viewer
from worklist.models import Case, CaseStudy, Series, Study
from worklist.states import Role

SAVED: Final = "viewer"
"""The sender of what readers save (`scp.arrival.VIEWER`): what is kept aside of that is no business of the site."""
NOT_A_READER: Final = 0
"""No row of `person` has this id."""


def _reads(study: type[Study]) -> ColumnElement[bool]:
    case = (
        select(CaseStudy.case_id)
        .join(Case, Case.id == CaseStudy.case_id)
        .where(CaseStudy.study_id == study.id, Case.reader_id == bindparam("papers_of"))
    )
    return or_(bindparam("papers_of_all", type_=Boolean), exists(case.correlate(study)))


SEES_PAPERS: Final = _reads(Study)
"""The WHERE clause over `Study` for those whose working papers this person sees."""

SEES_SERIES: Final = or_(Series.made_by.is_(None), SEES_PAPERS)
"""The WHERE clause over `Series` below `Study`: what was sent, signed reports, and the papers that this person sees."""


def seeing(viewer: Viewer) -> dict[str, object]:
    """What the clauses are executed with."""
    reader = viewer.person_id if Role.READER in viewer.roles else NOT_A_READER
    return {"papers_of": reader, "papers_of_all": viewer.oversees}


def sees_papers_of(case: Case, viewer: Viewer) -> bool:
    """Whether this person sees the working papers of a case that they see."""
    return viewer.oversees or (Role.READER in viewer.roles and case.reader_id == viewer.person_id)
