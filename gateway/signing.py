"""The reader signs: one transaction freezes the text, mints the UIDs and lists where the report must go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from orthanc.cache import ReadCache
from sr_reports import snapshot
from sr_reports.opinion import (
    InstanceRef,
    Opinion,
    PriorReport,
    ReportContent,
    ReportUids,
    Request,
    SeriesSummary,
    Signer,
)
from sr_reports.pdf import build_pdf
from sr_reports.problems import problems
from sr_reports.reference import header_of
from sr_reports.structured import build_sr
from worklist import lifecycle
from worklist.access import Viewer
from worklist.models import Case, Delivery, Instance, Peer, Person, Report, Series, Study, now
from worklist.routes import Invalid

PORTAL = "Portal"
ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"
VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Signing:
    """Makes reports out of cases. The cache holds the header from which patient and study are copied."""

    cache: ReadCache

    def draft(self, session: Session, case: Case) -> ReportContent:
        """What a report would say if it were signed now, by whoever holds the case."""
        return self._content(session, case, case.reader or Person(email="", display_name="—"), _fresh_uids(), now())

    def sign(self, session: Session, who: Viewer, case: Case) -> Report:
        """Freeze the opinion in the caller's transaction.

        Raises NotAllowed and WrongState as any move of a case, Invalid with everything that is missing, Unreportable
        when the text cannot be printed, ArchiveUnavailable when the study's header is nowhere at hand.
        """
        lifecycle.sign(session, case, who)
        signer = session.get_one(Person, who.person_id)
        content = self._content(session, case, signer, _fresh_uids(), case.signed_at or now())
        missing = problems(content)
        if missing:
            raise Invalid(*missing)
        build_pdf(content, sr=build_sr(content))  # what cannot be made must stop the signature, not the delivery
        return _write(session, case, content, who, _index_study(session, case))

    def _content(
        self, session: Session, case: Case, signer: Person, uids: ReportUids, signed_at: datetime
    ) -> ReportContent:
        study = _index_study(session, case)
        return ReportContent(
            opinion=Opinion.from_json(case.draft),
            signer=_signer(signer),
            request=_request(case),
            uids=uids,
            signed_at=signed_at.astimezone(),
            evidence=tuple(_evidence(case)),
            series=tuple(_summaries(case)),
            reference=self._reference(study),
            prior_report=_prior(case),
            version=len(case.reports) + 1,
            predecessor=_predecessor(case),
            software_version=VERSION,
        )

    def _reference(self, study: Study) -> bytes:
        first = next(each for series in study.series if not series.ours for each in series.instances)
        image = self.cache.get(first.sha256, first.archive_id)
        return header_of(next(iter(image.stream())))  # its first megabyte: the header stands before the pixels


def _index_study(session: Session, case: Case) -> Study:
    """The study into which the report goes: the newest of those that were sent."""
    has_images = select(Instance.id).join(Series).where(Series.study_id == Study.id, Series.ours.is_(False)).exists()
    chosen = [study for study in case.studies if session.scalar(select(has_images).where(Study.id == study.id))]
    if not chosen:
        raise Invalid("This case has no images; a report belongs to a study.")
    return chosen[-1]


def _fresh_uids() -> ReportUids:
    """Four new UIDs below 2.25 (PS3.5 B.2)."""
    return ReportUids(*(f"2.25.{uuid4().int}" for _ in range(4)))


def _signer(person: Person) -> Signer:
    return Signer(
        name=person.dicom_name or person.display_name,
        display_name=person.display_name,
        title=person.title,
        organization=person.organization,
        registration_number=person.registration_number,
        registration_body=person.registration_body,
    )


def _request(case: Case) -> Request:
    return Request(
        case_number=f"OR-{case.id}",
        subspecialty=case.subspecialty,
        requested_by=case.site.name if case.site else (case.patient.display_name if case.patient else ""),
        reason=case.reason,
        history=case.history,
        questions=tuple(case.questions),
        received_on=case.created_at.date(),
    )


def _prior(case: Case) -> PriorReport | None:
    if not case.prior_report:
        return None
    return PriorReport(case.prior_report, case.prior_report_author, case.prior_report_date)


def _predecessor(case: Case) -> InstanceRef | None:
    if not case.reports:
        return None
    last = case.reports[-1]
    return InstanceRef(last.study.study_uid, last.sr_series_uid, ENHANCED_SR, last.sr_uid)


def _sent(case: Case) -> Iterator[tuple[Study, Series]]:
    return ((study, series) for study in case.studies for series in study.series if not series.ours)


def _evidence(case: Case) -> Iterator[InstanceRef]:
    for study, series in _sent(case):
        for each in series.instances:
            yield InstanceRef(study.study_uid, series.series_uid, each.sop_class_uid, each.sop_uid)


def _summaries(case: Case) -> Iterator[SeriesSummary]:
    for _, series in _sent(case):
        yield SeriesSummary(series.modality, series.description, len(series.instances))


def content_of(report: Report) -> ReportContent:
    """A signed report's content, whole again."""
    return snapshot.from_json(report.content, report.reference)


def _write(session: Session, case: Case, content: ReportContent, who: Viewer, study: Study) -> Report:
    report = Report(
        case_id=case.id,
        study_id=study.id,
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
    to_peers = [
        Delivery(report_id=report.id, peer_id=peer.id, destination=f"{peer.ae_title}@{peer.host}:{peer.port}")
        for peer in peers
    ]
    portal = [] if peers and case.patient_id is None else [Delivery(report_id=report.id, destination=PORTAL)]
    return [*to_peers, *portal]
