"""Cases: how they begin, what belongs to them, how they are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session, selectinload

from worklist import lifecycle, rerouting
from worklist.access import Viewer, sees_case
from worklist.models import AuditLine, Case, Instance, Study, now
from worklist.routing import Route, StudyFacts
from worklist.states import CaseState, Role

EDITABLE_BY_REQUESTER = frozenset({CaseState.DRAFT, CaseState.AWAITING_IMAGES, CaseState.READY})
OnTheirWay = Callable[[int], int]
"""How many images of this case have been received and are not in the archive yet."""
NO_IMAGES = "There is no image in this request yet. Add your images (a folder, a zip or a CD), then send it."
HELD = frozenset({CaseState.CLAIMED, CaseState.ON_HOLD})
SETTLED = frozenset({CaseState.SIGNED, CaseState.DELIVERED, CaseState.CANCELLED})


@dataclass(frozen=True, slots=True)
class RequestText:
    """What the requester writes."""

    reason: str
    history: str
    questions: tuple[str, ...]
    prior_report: str = ""
    prior_report_author: str = ""
    prior_report_date: str = ""


def visible(session: Session, who: Viewer, states: Iterable[CaseState] = ()) -> Sequence[Case]:
    """The cases that this person may see, the most pressing first."""
    wanted = tuple(states)
    query = (
        select(Case)
        .where(sees_case(who), *([Case.state.in_(wanted)] if wanted else []))
        .order_by(Case.due_at.is_(None), Case.due_at, Case.id)
        .options(
            selectinload(Case.studies).selectinload(Study.series),
            selectinload(Case.site),
            selectinload(Case.patient),
            selectinload(Case.reader),
        )
    )
    return session.scalars(query).all()


def get(session: Session, who: Viewer, case_id: int) -> Case:
    """One case. Raises NotFound if there is none or this person may not know of it."""
    case = session.scalars(select(Case).where(Case.id == case_id, sees_case(who))).one_or_none()
    if case is None:
        raise lifecycle.NotFound(f"There is no case {case_id}.")
    return case


def get_to_claim(session: Session, who: Viewer, case_id: int) -> Case:
    """As `get`; a reader also gets a case of their subspecialties that another holds, to be told that it is."""
    taken = and_(Case.state.in_(HELD), Case.subspecialty.in_(who.subspecialties if _reads(who) else ()))
    case = session.scalars(select(Case).where(Case.id == case_id, or_(sees_case(who), taken))).one_or_none()
    if case is None:
        raise lifecycle.NotFound(f"There is no case {case_id}.")
    return case


def _reads(who: Viewer) -> bool:
    return Role.READER in who.roles


def start(session: Session, who: Viewer, text: RequestText) -> Case:
    """A patient begins a case; images follow. Raises NotAllowed for anybody else."""
    if Role.PATIENT not in who.roles:
        raise lifecycle.NotAllowed("Only a patient can begin a request here; a hospital's begins with its images.")
    case = Case(patient_id=who.person_id, state=CaseState.DRAFT)
    session.add(case)
    _write(case, text)
    session.flush()
    session.add(AuditLine(person_id=who.person_id, action="start", case_id=case.id))
    return case


def submit(session: Session, case: Case, who: Viewer, on_their_way: OnTheirWay) -> None:
    """A patient hands the request in; it now waits for its images to be complete.

    Raises NoImages while none of its own is in the archive or on its way there, besides NotAllowed and WrongState.
    """
    if case.patient_id == who.person_id and case.state is CaseState.DRAFT:
        is_coming = on_their_way(case.id) > 0  # asked first: what arrives in between is then among the images
        if not is_coming and not _has_images(session, case):
            raise lifecycle.NoImages(NO_IMAGES)
    lifecycle.submit(session, case, who)


def _has_images(session: Session, case: Case) -> bool:
    query = select(Instance.id).join(Study, Study.id == Instance.study_id).where(Study.origin == f"case:{case.id}")
    return session.scalar(query.limit(1)) is not None


def change_request(session: Session, case: Case, who: Viewer, text: RequestText, route: Route) -> None:
    """Change what the requester wrote, as long as nobody reads the case; a case on a worklist is routed anew.

    Raises NotAllowed, WrongState.
    """
    is_requester = case.patient_id == who.person_id or (who.site_id is not None and case.site_id == who.site_id)
    if not (is_requester or who.oversees):
        raise lifecycle.NotAllowed("Only whoever asked for this opinion can change the request.")
    if case.state not in EDITABLE_BY_REQUESTER:
        raise lifecycle.WrongState("A reader already has this case; the request cannot be changed any more.")
    _write(case, text)
    session.add(AuditLine(person_id=who.person_id, action="change request", case_id=case.id))
    if case.state is CaseState.READY and case.studies:
        rerouting.reroute(session, case, route(facts_of(case)))


def _write(case: Case, text: RequestText) -> None:
    for name, value in asdict(text).items():
        setattr(case, name, list(value) if name == "questions" else value)


def save_draft(session: Session, case: Case, who: Viewer, opinion: dict[str, Any]) -> datetime:
    """Keep what the reader has written so far. Raises NotAllowed, WrongState."""
    if case.reader_id != who.person_id:
        raise lifecycle.NotAllowed("Claim this case before you write its opinion.")
    saved_at = now()
    changed = session.execute(
        update(Case)
        .where(Case.id == case.id, Case.state == CaseState.CLAIMED, Case.reader_id == who.person_id)
        .values(draft=opinion, draft_at=saved_at)
        .returning(Case.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not changed:
        raise lifecycle.WrongState("This case is not open for writing: it was signed, released or put on hold.")
    session.refresh(case)
    return saved_at


def facts_of(case: Case) -> StudyFacts:
    """What the routing rules may look at: the case's newest study and what the requester wrote."""
    study = case.studies[-1]
    series = [each for each in study.series if not each.ours]
    return StudyFacts(
        modalities=_distinct(each.modality for each in series),
        body_parts=_distinct(each.body_part for each in series),
        study_description=study.description,
        series_descriptions=_distinct(each.description for each in series),
        laterality=next((each.laterality for each in series if each.laterality), ""),
        patient_age_years=study.age_years,
        patient_sex=study.sex,
        site=case.site.code if case.site else "",
        history="\n".join(filter(None, [case.reason, case.history, *case.questions])),
    )


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
