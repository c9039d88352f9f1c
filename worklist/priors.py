"""The search for a case's earlier studies as rows: begun, answered, called off, and how far each study is.

docs/adr/0021-earlier-studies-are-fetched.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from worklist.access import OF_A_SITE, Viewer
from worklist.cases import SETTLED
from worklist.lifecycle import NotAllowed, WrongState
from worklist.models import AuditLine, Case, Instance, Peer, Prior, PriorSearch, Series, Study, now
from worklist.prior_rules import Choice, Exam
from worklist.states import PriorState, Retrieval, Role

OPEN = frozenset({PriorState.WANTED, PriorState.COMING})
MOST_TOLD = 50
"""Of the studies that were left out."""
NO_ARCHIVE = (
    "No archive of this hospital is entered that could be asked. A coordinator enters it on the hospital's page."
)
NO_PATIENT = "The images of this case say no Patient ID, so there is nothing to ask for."


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the fetching for one case is: studies, and images as far as the archive counted them."""

    studies: int
    studies_here: int
    images: int
    images_here: int

    @property
    def moving(self) -> bool:
        """Whether more is to come."""
        return self.studies_here < self.studies


def archive_of(session: Session, site_id: int | None) -> Peer | None:
    """The archive of a site that is asked for earlier studies, if one is entered."""
    asked = select(Peer).where(Peer.site_id == site_id, Peer.retrieval != Retrieval.NONE)
    return session.scalars(asked.order_by(Peer.id.desc())).first()


def why_not(session: Session, case: Case) -> str:
    """Why nobody can look for earlier studies of this case; "" where one can."""
    if case.site_id is None or archive_of(session, case.site_id) is None:
        return NO_ARCHIVE
    return "" if _named(case) else NO_PATIENT


def look(session: Session, case: Case, who: Viewer | None) -> None:
    """Begin to look for earlier studies, or look again; nobody (None) does when the case is opened.

    Raises NotAllowed for whoever neither reads the case nor oversees, WrongState where nothing can be asked.
    """
    may_decide(case, who)
    session.refresh(case, with_for_update=True)  # who asks at the same moment waits, and finds the search
    if case.state in SETTLED:
        raise WrongState("This case is done: nothing more is fetched for it.")
    if why := why_not(session, case):
        raise WrongState(why)
    study = _named(case)
    assert study is not None  # noqa: S101 - `why_not` has looked
    search = search_of(session, case) or PriorSearch(case_id=case.id, site_id=case.site_id)
    search.asked_by = who.person_id if who else None
    search.patient_id, search.issuer = study.patient_id, study.issuer
    search.patient_name, search.birth_date = study.patient_name, study.birth_date
    search.state, search.attempts, search.last_error = PriorState.WANTED, 0, ""
    search.next_attempt_at = now()
    session.add(search)
    session.add(AuditLine(person_id=search.asked_by, action="look for earlier studies", case_id=case.id))


def look_if_possible(session: Session, case_id: int) -> None:
    """Begin to look for a case that was just opened, where its site has an archive to ask."""
    case = session.get_one(Case, case_id)
    if not why_not(session, case):
        look(session, case, None)


def call_off(session: Session, case: Case, who: Viewer | None) -> None:
    """Fetch nothing more for this case; what is here stays. Raises NotAllowed."""
    may_decide(case, who)
    search = search_of(session, case)
    if search is None:
        return
    for table, of_case in ((PriorSearch, PriorSearch.id == search.id), (Prior, Prior.search_id == search.id)):
        session.execute(
            update(table)
            .where(of_case, table.state.in_({*OPEN, PriorState.NEEDS_PERSON}))
            .values(state=PriorState.CANCELLED, next_attempt_at=None)
            .execution_options(synchronize_session=False)
        )
    session.expire(search)
    if who:
        session.add(AuditLine(person_id=who.person_id, action="fetch no earlier studies", case_id=case.id))


def answer(
    session: Session, search_id: int, choice: Choice, contradicting: Sequence[tuple[Exam, str]], source: str
) -> None:
    """Write down what the archive showed: a row for each study that is fetched, and what is left out, and why.

    `contradicting` are those that say to be another patient's; `source` is the archive, in words.
    """
    search = session.get_one(PriorSearch, search_id, with_for_update=True)
    if search.state is not PriorState.WANTED:
        return
    left_out = [*contradicting, *((one.exam, one.why) for one in choice.left_out)]
    search.left_out = [{"what": _title(exam), "why": why} for exam, why in left_out[:MOST_TOLD]]
    search.source = source
    search.state, search.answered_at, search.last_error, search.lease_until = PriorState.DONE, now(), "", None
    known = {prior.study_uid: prior for prior in search.priors}
    origin = f"{OF_A_SITE}{search.site_id}"
    for exam in choice.chosen:
        prior = known.pop(exam.study_uid, None) or Prior(search_id=search.id, origin=origin, study_uid=exam.study_uid)
        session.add(prior)
        _describe(session, prior, exam)
    for unwanted in known.values():
        if unwanted.state is not PriorState.DONE:
            unwanted.state = PriorState.CANCELLED


def search_of(session: Session, case: Case) -> PriorSearch | None:
    """The search of a case, if there ever was one."""
    return session.scalars(select(PriorSearch).where(PriorSearch.case_id == case.id)).one_or_none()


def images_here(session: Session, priors: Sequence[Prior]) -> Mapping[str, int]:
    """How many images of each are in the archive, by Study Instance UID; our own reports are none."""
    if not priors:
        return {}
    counted = (
        select(Study.study_uid, func.count())
        .join(Series, Series.study_id == Study.id)
        .join(Instance, Instance.series_id == Series.id)
        .where(
            Study.origin == priors[0].origin,
            Study.study_uid.in_([each.study_uid for each in priors]),
            Series.ours.is_(False),
        )
        .group_by(Study.study_uid)
    )
    return {study_uid: number for study_uid, number in session.execute(counted)}


def sop_uids_here(session: Session, prior: Prior) -> frozenset[str]:
    """Those of its images that are in our archive."""
    same = (Study.origin == prior.origin, Study.study_uid == prior.study_uid)
    return frozenset(session.scalars(select(Instance.sop_uid).join(Study, Study.id == Instance.study_id).where(*same)))


def progress(session: Session, search: PriorSearch) -> Progress:
    """How far it is; what was called off does not count."""
    wanted = [each for each in search.priors if each.state is not PriorState.CANCELLED]
    here = images_here(session, wanted)
    return Progress(
        studies=len(wanted),
        studies_here=sum(each.state is PriorState.DONE for each in wanted),
        images=sum(max(each.images or 0, here.get(each.study_uid, 0)) for each in wanted),
        images_here=sum(here.get(each.study_uid, 0) for each in wanted),
    )


def newest_image_at(session: Session, prior: Prior) -> datetime | None:
    """When the last image of a study arrived that is being fetched."""
    same = (Study.origin == prior.origin, Study.study_uid == prior.study_uid)
    return session.scalar(select(Study.last_at).where(*same))


def _describe(session: Session, prior: Prior, exam: Exam) -> None:
    prior.study_date, prior.description = exam.date, exam.description
    prior.modalities, prior.images = list(exam.modalities), exam.images
    study = session.scalars(
        select(Study).where(Study.origin == prior.origin, Study.study_uid == prior.study_uid)
    ).one_or_none()
    here = images_here(session, [prior]).get(prior.study_uid, 0)
    prior.was_here = study is not None and not study.fetched
    if prior.was_here or (prior.state is PriorState.DONE and here) or (exam.images and here >= exam.images):
        prior.state, prior.next_attempt_at = PriorState.DONE, None
    else:
        prior.state, prior.attempts, prior.last_error = PriorState.WANTED, 0, ""
        prior.next_attempt_at = now()  # a fetch that is under way keeps its lease: one at a time


def _title(exam: Exam) -> dict[str, Any]:
    return {"description": exam.description, "date": exam.date, "modalities": list(exam.modalities)}


def _named(case: Case) -> Study | None:
    """The newest study of the case that says whose it is."""
    return next((study for study in reversed(case.studies) if study.patient_id), None)


def may_decide(case: Case, who: Viewer | None) -> None:
    """Raise NotAllowed for whoever neither reads this case nor oversees; nobody (None) is ourselves."""
    reads = who is not None and Role.READER in who.roles and case.reader_id in {None, who.person_id}
    if who is not None and not (who.oversees or reads):
        raise NotAllowed("Only who reads this case, or oversees, decides about its earlier studies.")
