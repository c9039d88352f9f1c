"""Published reports are asked for once more after the grace period: what the archive lost is stored again.

As for images: docs/adr/0007-grace-before-letting-go.md. Their bytes lie in our own rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import or_, select, update

from config.database import Database
from gateway.proof import holds
from orthanc.archive import Archive
from orthanc.errors import ArchiveRefused
from worklist.models import Instance, Report, ReportFile, now

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Published:
    """One document of a report: its row, where the archive should have it, and its bytes (Part 10)."""

    instance_id: int
    archive_id: str
    sha256: str
    part10: bytes


@dataclass(frozen=True, slots=True)
class Keeping:
    """Any number of workers may do this at once: asking twice, or storing twice, changes nothing."""

    database: Database
    archive: Archive
    seconds: float

    def step(self) -> bool:
        """Ask for one report whose grace is over; False if there is none. Raises ArchiveUnavailable: try again."""
        report_id = self._due()
        if report_id is None:
            return False
        for one in self._documents(report_id):
            self._keep(report_id, one)
        with self.database.writing() as session:
            session.execute(update(Report).where(Report.id == report_id).values(asked_again_at=now()))
        return True

    def _due(self) -> int | None:
        """A report of the future is of a clock that was set back: it does not wait until that comes again."""
        moment = now()
        ripe = or_(Report.published_at <= moment - timedelta(seconds=self.seconds), Report.published_at > moment)
        query = select(Report.id).where(Report.asked_again_at.is_(None), ripe).order_by(Report.published_at).limit(1)
        with self.database.reading() as session:
            return session.scalar(query)

    def _documents(self, report_id: int) -> Iterator[Published]:
        with self.database.reading() as session:
            report = session.get_one(Report, report_id)
            for kind, uid in (("sr", report.sr_uid), ("pdf-dicom", report.pdf_uid)):
                file = session.get_one(ReportFile, (report_id, kind))
                there = select(Instance).where(Instance.study_id == report.study_id, Instance.sop_uid == uid)
                row = session.scalars(there).one()
                yield Published(row.id, row.archive_id, row.sha256, file.content)

    def _keep(self, report_id: int, one: Published) -> None:
        md5 = hashlib.md5(one.part10, usedforsecurity=False).hexdigest()
        if holds(self.archive, one.archive_id, md5, one.sha256):
            return
        log.warning("the archive lost a report, it is stored again", report=report_id)
        try:
            archive_id = self.archive.store(one.part10, md5)
        except ArchiveRefused as error:  # asking again changes nothing, and others wait
            log.error("the archive refuses a report that it had", report=report_id, error=str(error))  # noqa: TRY400
            return
        with self.database.writing() as session:
            session.execute(update(Instance).where(Instance.id == one.instance_id).values(archive_id=archive_id))
