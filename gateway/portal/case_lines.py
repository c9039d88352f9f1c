"""A case as one line of a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from gateway.portal.studies import Counts, PatientView, StudyView, count_images, patient_view, study_views
from gateway.portal.words import STATES, Due, Label, due, priority
from worklist import cases
from worklist.access import Viewer
from worklist.lifecycle import Action, possible
from worklist.models import Case
from worklist.states import CaseState
from worklist.subspecialties import label

OPEN = (CaseState.READY, CaseState.CLAIMED, CaseState.ON_HOLD)
UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True)
class CaseLine:
    """What a list says of a case. `can` is what this person can do to it now."""

    case: Case
    due: Due
    patient: PatientView
    studies: tuple[StudyView, ...]
    subspecialty: str
    priority: Label
    state: Label
    sender: str
    mine: bool
    can: frozenset[Action]

    @property
    def unassigned(self) -> bool:
        """Whether no rule found a subspecialty."""
        return self.case.subspecialty == UNASSIGNED


def case_lines(session: Session, who: Viewer, states: Iterable[CaseState] = ()) -> list[CaseLine]:
    """The cases that this person may see, the most pressing first."""
    found = cases.visible(session, who, states)
    counts = count_images(session, found)
    return [case_line(case, who, counts) for case in found]


def case_line(case: Case, who: Viewer, counts: Counts) -> CaseLine:
    """One line."""
    return CaseLine(
        case=case,
        due=due(case.due_at) if case.state in OPEN else due(None),
        patient=patient_view(case),
        studies=study_views(case, counts),
        subspecialty=label(case.subspecialty),
        priority=priority(case.priority),
        state=STATES[case.state],
        sender=sender(case),
        mine=case.reader_id == who.person_id,
        can=possible(who, case),
    )


def sender(case: Case) -> str:
    """From whom the case is."""
    if case.site is not None:
        return case.site.name or case.site.code
    return (case.patient.display_name or "A patient") if case.patient is not None else "Unknown"
