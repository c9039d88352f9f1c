"""The reports and PDFs that came with the images of a case, and the images that they point to: rows, with rights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from dicomweb.roots import URL_PREFIX, root_url
from gateway.portal.words import dicom_date
from sr_reports.narrative import DOCUMENTS
from worklist.access import Sight, Viewer, sees_study
from worklist.models import Case, Instance, Series, Study
from worklist.papers import SEES_SERIES, seeing

ENCAPSULATED_PDF: Final = "1.2.840.10008.5.1.4.1.1.104.1"
KEY_OBJECTS: Final = "1.2.840.10008.5.1.4.1.1.88.59"
KINDS: Final = {ENCAPSULATED_PDF: "PDF", KEY_OBJECTS: "Key images"}


@dataclass(frozen=True, slots=True)
class Document:
    """One document: what a list says of it, where its bytes are, and where DICOMweb has it (`file`)."""

    sop_uid: str
    title: str
    kind: str
    date: str
    is_pdf: bool
    study_uid: str
    series_uid: str
    sha256: str
    archive_id: str
    file: str


def documents_of(session: Session, who: Viewer, case: Case) -> tuple[Document, ...]:
    """The documents of a case in the order of its series; what we or its reader made is elsewhere on its page."""
    rows = session.execute(_documents(who, case.id).order_by(Series.number.asc().nulls_last(), Instance.id))
    return tuple(_document(case.id, *row) for row in rows)


def document_of(session: Session, who: Viewer, case_id: int, sop_uid: str) -> Document | None:
    """One of them; None for what this person may not see, and for what is no document."""
    row = session.execute(_documents(who, case_id).where(Instance.sop_uid == sop_uid).limit(1)).first()
    return _document(case_id, *row) if row is not None else None


def image_addresses(session: Session, who: Viewer, case_id: int, sop_uids: Collection[str]) -> Mapping[str, str]:
    """Where DICOMweb has these images, as far as they belong to the case."""
    query = (
        select(Study.study_uid, Series.series_uid, Instance.sop_uid)
        .join(Series, Series.study_id == Study.id)
        .join(Instance, Instance.series_id == Series.id)
        .where(sees_study(Sight(who, case_id)), SEES_SERIES, Instance.sop_uid.in_(sop_uids), Instance.rows > 0)
    )
    return {sop: _address(case_id, study, series, sop) for study, series, sop in session.execute(query, seeing(who))}


def _documents(who: Viewer, case_id: int) -> Select[Instance, Series, Study]:
    is_one = or_(Instance.sop_class_uid.startswith(DOCUMENTS), Instance.sop_class_uid == ENCAPSULATED_PDF)
    return (
        select(Instance, Series, Study)
        .join(Series, Instance.series_id == Series.id)
        .join(Study, Series.study_id == Study.id)
        .where(sees_study(Sight(who, case_id)), Series.ours.is_(False), Series.made_by.is_(None), is_one)
    )


def _document(case_id: int, one: Instance, series: Series, study: Study) -> Document:
    kind = KINDS.get(one.sop_class_uid, "Report")
    return Document(
        sop_uid=one.sop_uid,
        title=series.description or kind,
        kind=kind,
        date=dicom_date(study.study_date),
        is_pdf=one.sop_class_uid == ENCAPSULATED_PDF,
        study_uid=study.study_uid,
        series_uid=series.series_uid,
        sha256=one.sha256,
        archive_id=one.archive_id,
        file=f"{_address(case_id, study.study_uid, series.series_uid, one.sop_uid)}?accept=application/dicom",
    )


def _address(case_id: int, study_uid: str, series_uid: str, sop_uid: str) -> str:
    return f"{root_url(URL_PREFIX, case_id)}/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}"
