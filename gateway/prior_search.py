"""What earlier studies does the archive of a case's site have? Asked once, compared, and written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from config.database import Database
from gateway.archives import Archives
from gateway.due import Due
from gateway.same_patient import contradiction
from scp.asked import FoundStudy, Patient
from scp.sender import PeerRefused, PeerUnavailable
from worklist.cases import SETTLED, facts_of
from worklist.models import Case, Peer, PriorSearch, now
from worklist.prior_rules import Exam, PriorRules
from worklist.priors import answer, archive_of, call_off
from worklist.states import PriorState

log = structlog.get_logger()
MOST_ATTEMPTS = 8
"""Then a person looks: with doubling pauses that is ten minutes after the first."""


SOMEBODY_ELSES = Exam("", description="A study under the same Patient ID")
"""All that is said of it: it is nobody's business here what somebody else was examined for."""


@dataclass(frozen=True, slots=True)
class Question:
    """One search: whom to ask about whom, and the studies of the case itself."""

    search_id: int
    case_id: int
    peer: Peer | None
    patient: Patient
    own: tuple[Exam, ...]
    attempts: int
    is_settled: bool


@dataclass(frozen=True, slots=True)
class Searching:
    """Takes searches that are due, one at a time; any number of workers may share the work."""

    database: Database
    archives: Archives
    rules: PriorRules
    due: Due

    def step(self) -> bool:
        """Ask for one case; False if none is due."""
        search_id = self.due.claim()
        if search_id is None:
            return False
        with self.due.held(search_id):
            self._ask(self._question(search_id))
        return True

    def _question(self, search_id: int) -> Question:
        with self.database.reading() as session:
            search = session.get_one(PriorSearch, search_id)
            case = search.case
            return Question(
                search.id,
                case.id,
                archive_of(session, search.site_id),
                Patient(search.patient_id, search.issuer, search.patient_name, search.birth_date),
                tuple(own_exams(case)),
                search.attempts,
                case.state in SETTLED,
            )

    def _ask(self, asked: Question) -> None:
        if asked.is_settled:
            with self.database.writing() as session:
                call_off(session, session.get_one(Case, asked.case_id), None)
            return
        try:
            shown = self.archives.of(asked.peer).studies_of(asked.patient)
        except PeerUnavailable as error:
            self._put_off(asked, error, PriorState.NEEDS_PERSON if asked.attempts >= MOST_ATTEMPTS else None)
            self._let_others_wait(asked)
        except PeerRefused as error:
            self._put_off(asked, error, PriorState.NEEDS_PERSON)
        else:
            with self.database.writing() as session:
                self._answer(session, asked, shown)

    def _put_off(self, asked: Question, error: Exception, state: PriorState | None) -> None:
        log.warning("search for earlier studies put off", case=asked.case_id, error=str(error))
        self.due.put_off(asked.search_id, str(error), state)

    def _let_others_wait(self, asked: Question) -> None:
        """The archive of this site does not answer: its other cases wait as long, and no other site's wait for it."""
        again, site_id = (
            select(column).where(PriorSearch.id == asked.search_id).scalar_subquery()
            for column in (PriorSearch.next_attempt_at, PriorSearch.site_id)
        )
        same = (PriorSearch.site_id == site_id, PriorSearch.state == PriorState.WANTED)
        others = update(PriorSearch).where(*same, PriorSearch.next_attempt_at < again).values(next_attempt_at=again)
        with self.database.writing() as session:
            session.execute(others.execution_options(synchronize_session=False))

    def _answer(self, session: Session, asked: Question, shown: Sequence[FoundStudy]) -> None:
        # Nothing is said of what names another Patient ID: a "*" in ours is a wild card to the archive.
        judged = [
            (_exam(one), contradiction(asked.patient, one.patient))
            for one in shown
            if one.patient.patient_id in {"", asked.patient.patient_id}
        ]
        another = [(SOMEBODY_ELSES, f"its patient has {wrong}") for _, wrong in judged if wrong]
        choice = self.rules.choose(asked.own, [exam for exam, wrong in judged if not wrong], now().date())
        answer(session, asked.search_id, choice, another, asked.peer.address if asked.peer else "")
        log.info("earlier studies", case=asked.case_id, shown=len(shown), fetched=len(choice.chosen))


def own_exams(case: Case) -> list[Exam]:
    """The studies of the case, as the rules compare them."""
    facts = facts_of(case)
    return [
        Exam(one.study_uid, one.study_date, one.description, facts.modalities, facts.body_parts) for one in case.studies
    ]


def _exam(found: FoundStudy) -> Exam:
    return Exam(found.study_uid, found.date, found.description, found.modalities, found.body_parts, found.images)
