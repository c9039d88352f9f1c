"""A signed opinion becomes SR and PDF in the archive: the same UIDs and the same bytes on every try."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from config.database import Database
from gateway.content import content_of
from gateway.due import Due
from gateway.headers import series_text, study_text
from orthanc.archive import Archive
from orthanc.cache import ReadCache
from orthanc.errors import ArchiveRefused, ArchiveUnavailable
from orthanc.header import read_header
from scp.part10 import split_part10
from sr_reports.errors import Unreportable
from sr_reports.pdf import build_pdf, encapsulate
from sr_reports.structured import build_sr
from worklist.images import InstanceFacts, record
from worklist.models import Delivery, Report, ReportFile, now
from worklist.routes import Invalid
from worklist.states import ReportState

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Documents:
    """One report as bytes: SR and Encapsulated PDF as Part 10, and the PDF itself."""

    sr: bytes
    pdf_dicom: bytes
    pdf: bytes


@dataclass(frozen=True, slots=True)
class Publishing:
    """Takes signed reports that are due, one at a time; any number of workers may share the work."""

    database: Database
    archive: Archive
    cache: ReadCache
    due: Due

    def step(self) -> bool:
        """Publish one report; False if none is due."""
        report_id = self.due.claim()
        if report_id is None:
            return False
        try:
            self._publish(report_id)
        except (ArchiveUnavailable, ArchiveRefused, Unreportable, Invalid) as error:
            log.warning("report not published", report=report_id, error=str(error))
            self.due.put_off(report_id, str(error))
        return True

    def _publish(self, report_id: int) -> None:
        with self.database.reading() as session:
            report = session.get_one(Report, report_id)
            origin, content = report.study.origin, content_of(report)
        sr = build_sr(content)
        pdf = build_pdf(content, sr=sr)
        made = Documents(sr, encapsulate(content, pdf), pdf)
        stored = [(part10, self._store(part10)) for part10 in (made.sr, made.pdf_dicom)]
        with self.database.writing() as session:
            for part10, archive_id in stored:
                _record(session, origin, part10, archive_id)
            _finish(session, report_id, made)
        log.info("report published", report=report_id)

    def _store(self, part10: bytes) -> str:
        archive_id = self.archive.store(part10, hashlib.md5(part10, usedforsecurity=False).hexdigest())
        try:
            self.cache.put(_sha256(part10), part10)
        except OSError as error:  # it is fetched from the archive when somebody asks
            log.warning("the read cache takes nothing", error=f"{type(error).__name__}: {error}")
        return archive_id


def _sha256(part10: bytes) -> str:
    return hashlib.sha256(split_part10(part10)[1]).hexdigest()


def _record(session: Session, origin: str, part10: bytes, archive_id: str) -> None:
    header = read_header(part10)
    transfer_syntax, dataset = split_part10(part10)
    facts = InstanceFacts(
        sop_uid=header.sop_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax=transfer_syntax,
        number=header.instance_number,
        rows=0,
        columns=0,
        frames=1,
        size=len(dataset),
        sha256=_sha256(part10),
        archive_id=archive_id,
        sender="Overread",
        received_at=now(),
    )
    record(session, origin, study_text(header), series_text(header), facts, ours=True)


def _finish(session: Session, report_id: int, made: Documents) -> None:
    for kind, content in (("sr", made.sr), ("pdf-dicom", made.pdf_dicom), ("pdf", made.pdf)):
        session.merge(ReportFile(report_id=report_id, kind=kind, content=content))
    done = {"state": ReportState.PUBLISHED, "published_at": now(), "lease_until": None, "last_error": ""}
    session.execute(update(Report).where(Report.id == report_id).values(**done))
    session.execute(update(Delivery).where(Delivery.report_id == report_id).values(next_attempt_at=now()))
