"""What a report says of a case: everything that stands around the opinion, gathered from rows and archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from sr_reports.reference import header_of
from worklist.models import Case, Instance, Person, Report, Series, Study
from worklist.routes import Invalid

ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"
VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Gathered:
    """A report's content but for its `reference`, of which it is only known where it lies."""

    content: ReportContent
    study_id: int
    sha256: str
    archive_id: str


def gather(session: Session, case: Case, signer: Person, signed_at: datetime) -> Gathered:
    """Everything that the rows know, with fresh UIDs. Raises Invalid for a case without images."""
    study = _index_study(session, case)
    first = next(each for series in study.series if not series.ours for each in series.instances)
    content = ReportContent(
        opinion=Opinion.from_json(case.draft),
        signer=_signer(signer),
        request=_request(case),
        uids=_fresh_uids(),
        signed_at=signed_at.astimezone(),
        evidence=tuple(_evidence(case)),
        series=tuple(_summaries(case)),
        reference=b"",
        prior_report=_prior(case),
        version=len(case.reports) + 1,
        predecessor=_predecessor(case),
        software_version=VERSION,
        received_until=_received_until(case).astimezone(),
    )
    return Gathered(content, study.id, first.sha256, first.archive_id)


def complete(gathered: Gathered, cache: ReadCache) -> ReportContent:
    """The content with the header of one image; may ask the archive, so call it outside of any transaction.

    Raises ArchiveUnavailable when the header is nowhere at hand.
    """
    image = cache.get(gathered.sha256, gathered.archive_id)
    header = header_of(next(iter(image.stream())))  # its first megabyte: the header stands before the pixels
    return replace(gathered.content, reference=header)


def content_of(report: Report) -> ReportContent:
    """A signed report's content, whole again."""
    return snapshot.from_json(report.content, report.reference)


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


def _received_until(case: Case) -> datetime:
    return max(each.received_at for _, series in _sent(case) for each in series.instances)
