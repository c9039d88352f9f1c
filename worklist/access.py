"""Who may see what, as SQL: one place from which pages, API and DICOMweb take their rights.

A right to images follows from a case alone (`case_study`), never from knowing a UID.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, false, or_, select, true

from worklist.models import Case, CaseStudy, Person, Study
from worklist.states import CaseState, Role

OVERSEERS = frozenset({Role.COORDINATOR, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person, as far as rights depend on them."""

    person_id: int
    roles: frozenset[Role]
    subspecialties: frozenset[str]
    site_id: int | None

    @property
    def oversees(self) -> bool:
        """Whether this person sees every case."""
        return bool(self.roles & OVERSEERS)


def viewer_of(person: Person) -> Viewer:
    """The rights of a person, free of the database session."""
    roles = frozenset(Role(role.name) for role in person.roles)
    return Viewer(person.id, roles, frozenset(person.subspecialties), person.site_id)


def sees_case(viewer: Viewer) -> ColumnElement[bool]:
    """The WHERE clause over `Case` for what this person may see."""
    if viewer.oversees:
        return true()
    grounds: list[ColumnElement[bool]] = [false()]
    if Role.READER in viewer.roles:
        open_to_me = and_(Case.state == CaseState.READY, Case.subspecialty.in_(viewer.subspecialties))
        grounds += [Case.reader_id == viewer.person_id, open_to_me]
    if Role.PATIENT in viewer.roles:
        grounds.append(Case.patient_id == viewer.person_id)
    if Role.SITE in viewer.roles and viewer.site_id is not None:
        grounds.append(Case.site_id == viewer.site_id)
    return or_(*grounds)


def sees_study(viewer: Viewer) -> ColumnElement[bool]:
    """The WHERE clause over `Study` for what this person may see: the studies of the cases that they may see."""
    if viewer.oversees:
        return true()
    of_my_cases = select(CaseStudy.study_id).join(Case, Case.id == CaseStudy.case_id)
    return exists(of_my_cases.where(CaseStudy.study_id == Study.id, sees_case(viewer)))
