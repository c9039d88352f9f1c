"""Who may see what, as SQL: one place from which pages, API and DICOMweb take their rights.

A right to images follows from a case alone (`case_study`), never from knowing a UID; what a site has sent, its own
programs may count (`Sight.origin`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import ColumnElement, Select, and_, exists, false, not_, or_, select, true, tuple_, union
from sqlalchemy.orm import aliased

from worklist.models import Case, CaseStudy, Person, Prior, PriorSearch, Study
from worklist.states import CaseState, Role

OVERSEERS = frozenset({Role.COORDINATOR, Role.ADMIN})
OF_A_SITE = "site:"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link shows to whoever has opened it: these studies (rows) of this case, and nothing else of it."""

    link_id: int
    case_id: int
    study_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person, as far as rights depend on them.

    `link` is set where images are asked for alone, never for pages or the API: beside their own rights, what a link
    shows. Whoever has nothing but a link is nobody (`person_id` 0).
    """

    person_id: int
    roles: frozenset[Role]
    subspecialties: frozenset[str]
    site_id: int | None
    link: Link | None = None

    @property
    def oversees(self) -> bool:
        """Whether this person sees every case."""
        return bool(self.roles & OVERSEERS)


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody looks at: every study that they may see or, with a case, the studies of this case alone.

    A reader of a case and those who oversee also see, beside its studies, what the same site sent of the same patient.
    With an `origin` it is a program of a site that looks at what came from there, cases or not, and at nothing else.
    """

    viewer: Viewer
    case_id: int | None = None
    origin: str = ""


NOBODY = Viewer(0, frozenset(), frozenset(), None)


def viewer_of(person: Person) -> Viewer:
    """The rights of a person, free of the database session."""
    roles = frozenset(Role(role.name) for role in person.roles)
    return Viewer(person.id, roles, frozenset(person.subspecialties), person.site_id)


def sees_case(viewer: Viewer) -> ColumnElement[bool]:
    """The WHERE clause over `Case` for what this person may see."""
    link = viewer.link
    return or_(_theirs(viewer), Case.id == link.case_id) if link else _theirs(viewer)


def _theirs(viewer: Viewer) -> ColumnElement[bool]:
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


@lru_cache(maxsize=512)  # building it costs more than asking it
def sees_study(sight: Sight, *, listed: bool = False) -> ColumnElement[bool]:
    """The WHERE clause over `Study` for what is in sight: of each Study Instance UID exactly one row, whole.

    `listed` changes no result, only where the database begins: with the list of this person's studies, which is right
    for a search among few of many; otherwise it asks of each study that other clauses leave.

    One UID may be the study of several origins (a hospital's push, a patient's upload under the same UIDs). They are
    never mixed. Of the rows in sight, a site's goes before a patient's upload, then the smallest `id` goes first:
    whoever writes a hospital's UIDs into other pixels does not get them before the eyes of the hospital's reader.
    """
    better = aliased(Study)
    first = tuple_(_uploaded(better), better.id) < tuple_(_uploaded(Study), Study.id)
    others = select(better.id).where(better.study_uid == Study.study_uid, better.id != Study.id)  # most often none
    hidden = others.where(first, _in_sight(sight, better))
    return and_(_in_sight(sight, Study, listed=listed), not_(exists(hidden)))


def _uploaded(study: type[Study]) -> ColumnElement[bool]:
    return not_(study.origin.startswith(OF_A_SITE))


def _in_sight(sight: Sight, study: type[Study], *, listed: bool = False) -> ColumnElement[bool]:
    if sight.origin:
        return study.origin == sight.origin
    link = sight.viewer.link
    if link is None or sight.case_id not in {None, link.case_id}:
        return _by_own_right(sight, study, listed=listed)
    shown = select(CaseStudy.study_id).where(CaseStudy.case_id == link.case_id)
    by_link = study.id.in_(shown.where(CaseStudy.study_id.in_(link.study_ids)))
    return or_(_by_own_right(sight, study, listed=listed), by_link)


def _by_own_right(sight: Sight, study: type[Study], *, listed: bool) -> ColumnElement[bool]:
    seen = select(CaseStudy.study_id).join(Case, Case.id == CaseStudy.case_id).where(_theirs(sight.viewer))
    if sight.case_id is not None:
        of_case = seen.where(Case.id == sight.case_id)  # few: the database begins with them
        compares = sight.viewer.oversees or Role.READER in sight.viewer.roles
        return study.id.in_(union(of_case, _priors(of_case)) if compares else of_case)
    if sight.viewer.oversees:
        return true()
    if listed:
        return study.id.in_(seen)
    theirs = select(Case.id).where(Case.id == CaseStudy.case_id, _theirs(sight.viewer))  # of few cases, one by one
    return exists(select(CaseStudy.case_id).where(CaseStudy.study_id == study.id, exists(theirs)).correlate(study))


def _priors(of_case: Select[int]) -> Select[int]:
    """What is there to compare with: studies of the same site, of the same Patient ID and issuer (docs/adr/0015)."""
    one, prior = aliased(Study), aliased(Study)
    nameless = or_(prior.issuer == "", one.issuer == "")
    known_as_theirs = and_(prior.birth_date == one.birth_date, nameless, _fetched_for(prior, one))
    alike = or_(prior.issuer == one.issuer, known_as_theirs)  # name and birth date were compared as it was fetched
    same = and_(prior.patient_id == one.patient_id, alike, prior.origin == one.origin)
    named = and_(one.patient_id != "", one.origin.startswith(OF_A_SITE))
    return select(prior.id).join(one, same).where(one.id.in_(of_case), named)


def _fetched_for(prior: type[Study], one: type[Study]) -> ColumnElement[bool]:
    """Whether it was fetched for the very patient of this study: another issuer may have given the same Patient ID."""
    of_patient = and_(PriorSearch.patient_id == one.patient_id, PriorSearch.issuer == one.issuer)
    asked = select(Prior.id).join(PriorSearch, and_(PriorSearch.id == Prior.search_id, of_patient))
    fetched = (Prior.origin == prior.origin, Prior.study_uid == prior.study_uid, Prior.was_here.is_(False))
    return exists(asked.where(*fetched).correlate(prior, one))
