"""The reader signs: the text is frozen with its UIDs and destinations, in one short transaction.

Asking the archive and typesetting take seconds, and on SQLite a transaction that writes keeps everybody else from
writing. So the report is made first, from what is read; then it is frozen if nothing has changed meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.database import Database
from gateway.content import Gathered, complete, gather
from orthanc.cache import ReadCache
from sr_reports import snapshot
from sr_reports.opinion import ReportContent
from sr_reports.pdf import build_pdf
from sr_reports.problems import problems
from sr_reports.structured import build_sr
from worklist import cases, lifecycle
from worklist.access import Viewer
from worklist.lifecycle import Action
from worklist.models import Case, Delivery, Peer, Person, Report, Study, now
from worklist.routes import Invalid
from worklist.seen import Seen, Unseen, check_seen
from worklist.states import CaseState
from worklist.troubles import being_replaced

PORTAL = "Portal"
TRIES = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """What must be the same when a report is frozen as when it was made: images by study and version."""

    state: CaseState
    reader_id: int | None
    draft_at: datetime | None
    images: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A report that can be made, and the standing of the case that it was made from."""

    case_id: int
    study_id: int
    standing: Standing
    content: ReportContent


@dataclass(frozen=True, slots=True)
class Signing:
    """Makes reports out of cases. The cache holds the header from which patient and study are copied."""

    database: Database
    cache: ReadCache

    def draft(self, session: Session, case: Case) -> ReportContent:
        """What a report would say if it were signed now, by whoever holds the case."""
        signer = case.reader or Person(email="", display_name="—")
        return complete(gather(session, case, signer, now()), self.cache)

    def sign(self, who: Viewer, case_id: int, seen: Seen) -> int:
        """Freeze the opinion as a report; its id.

        Raises NotFound, NotAllowed and WrongState as any move of a case, Unseen when there is something that the
        reader has not seen, Invalid with everything that is missing, Unreportable when the text cannot be printed,
        ArchiveUnavailable when the study's header is nowhere at hand.
        """
        for _ in range(TRIES):
            prepared = self._prepare(who, case_id, seen)
            with self.database.writing() as session:
                report = _freeze(session, who, prepared)
            if report is not None:
                return report.id
        raise Unseen("This case kept changing while its report was being made. Look at it again, then sign.")

    def _prepare(self, who: Viewer, case_id: int, seen: Seen) -> Prepared:
        with self.database.reading() as session:
            standing, gathered = _gather(session, who, case_id, seen)
        content = complete(gathered, self.cache)
        missing = problems(content)
        if missing:
            raise Invalid(*missing)
        build_pdf(content, sr=build_sr(content))  # what cannot be made must stop the signature, not the delivery
        return Prepared(case_id, gathered.study_id, standing, content)


def _gather(session: Session, who: Viewer, case_id: int, seen: Seen) -> tuple[Standing, Gathered]:
    case = cases.get(session, who, case_id)
    lifecycle.require(case, who, Action.SIGN)
    check_seen(case, seen)
    return _standing(case), gather(session, case, session.get_one(Person, who.person_id), now())


def _standing(case: Case) -> Standing:
    images = tuple(sorted((study.id, study.version) for study in case.studies))
    return Standing(case.state, case.reader_id, case.draft_at, images)


def _freeze(session: Session, who: Viewer, prepared: Prepared) -> Report | None:
    """Sign and write what was prepared; None, and nothing is written, if the case has changed since."""
    studies = [study_id for study_id, _ in prepared.standing.images]
    session.execute(select(Study.id).where(Study.id.in_(studies)).order_by(Study.id).with_for_update())
    case = session.get_one(Case, prepared.case_id, with_for_update=True)  # after the studies, as an arriving image does
    if _standing(case) != prepared.standing:
        return None
    if being_replaced(session, studies):
        raise Unseen("An image of this case is just being replaced. Look at it in a minute, then sign.")
    lifecycle.sign(session, case, who, prepared.content.signed_at)
    return _write(session, case, prepared, who)


def _write(session: Session, case: Case, prepared: Prepared, who: Viewer) -> Report:
    content = prepared.content
    report = Report(
        case_id=case.id,
        study_id=prepared.study_id,
        reference=content.reference,
        version=content.version,
        content=snapshot.to_json(content),
        signer_id=who.person_id,
        signed_at=content.signed_at,
        sr_uid=content.uids.sr_uid,
        sr_series_uid=content.uids.sr_series_uid,
        pdf_uid=content.uids.pdf_uid,
        pdf_series_uid=content.uids.pdf_series_uid,
        attempts=0,
        next_attempt_at=now(),
    )
    session.add(report)
    session.flush()
    session.add_all(_deliveries(session, case, report))
    return report


def _deliveries(session: Session, case: Case, report: Report) -> list[Delivery]:
    """Every peer of the site that receives reports; without one, and for a patient, the report lies in the portal."""
    peers = session.scalars(select(Peer).where(Peer.site_id == case.site_id, Peer.receives_reports)).all()
    to_peers = [Delivery(report_id=report.id, peer_id=peer.id, destination=peer.address) for peer in peers]
    portal = [] if peers and case.patient_id is None else [Delivery(report_id=report.id, destination=PORTAL)]
    return [*to_peers, *portal]
