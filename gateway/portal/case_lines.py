"""A case as one line of a list."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from gateway.portal.studies import Counts, PatientView, StudyView, count_images, patient_view, study_views
from gateway.portal.words import STATES, STATES_FOR_PATIENTS, UNREAD_FOR_PATIENTS, Due, Label, due, priority
from worklist import cases
from worklist.access import Viewer
from worklist.lifecycle import Action, possible
from worklist.models import Case
from worklist.readers import due_at, is_unread, subspecialties_read
from worklist.states import CaseState
from worklist.subspecialties import label

OPEN = (CaseState.READY, CaseState.CLAIMED, CaseState.ON_HOLD)
UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True)
class CaseLine:
    """What a list says of a case. `can` is what this person can do to it now; `unread`: nobody reads what it is."""

    case: Case
    due: Due
    unread: bool
    patient: PatientView
    studies: tuple[StudyView, ...]
    subspecialty: str
    priority: Label
    state: Label
    sender: str
    mine: bool
    can: frozenset[Action]

    @property
    def for_patient(self) -> Label:
        """The state in the words of the patient who asked."""
        return UNREAD_FOR_PATIENTS if self.unread else STATES_FOR_PATIENTS[self.case.state]

    @property
    def unassigned(self) -> bool:
        """Whether no rule found a subspecialty."""
        return self.case.subspecialty == UNASSIGNED


def case_lines(session: Session, who: Viewer, states: Iterable[CaseState] = ()) -> list[CaseLine]:
    """The cases that this person may see, the most pressing first."""
    found = cases.visible(session, who, states)
    return lines_of(session, found, who)


def lines_of(session: Session, found: Sequence[Case], who: Viewer) -> list[CaseLine]:
    """A line for each of these cases."""
    counts, read = count_images(session, found), subspecialties_read(session)
    return [_line(case, who, counts, read) for case in found]


def case_line(session: Session, case: Case, who: Viewer) -> CaseLine:
    """One line."""
    (line,) = lines_of(session, [case], who)
    return line


def _line(case: Case, who: Viewer, counts: Counts, read: Collection[str]) -> CaseLine:
    return CaseLine(
        case=case,
        due=due(due_at(case, who, read)) if case.state in OPEN else due(None),
        unread=is_unread(case, read),
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
