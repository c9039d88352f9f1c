"""What the report of a case says: the draft, or, once signed, its newest version."""

from __future__ import annotations

from sqlalchemy.orm import Session

from gateway.content import content_of
from gateway.signing import Signing
from sr_reports.opinion import ReportContent
from worklist.models import Case


def content_to_show(session: Session, case: Case, signing: Signing) -> ReportContent:
    """Raises ArchiveUnavailable when a draft needs the study's header and it is nowhere at hand."""
    return content_of(case.reports[-1]) if case.reports else signing.draft(session, case)
