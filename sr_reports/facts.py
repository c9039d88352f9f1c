"""The labelled facts of the printed report: patient, study, request, and who signed."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset

from sr_reports.opinion import ReportContent, Signer
from sr_reports.printable import printable
from sr_reports.prose import blocks, language, one_line, right_to_left, wrappable
from sr_reports.sections import basis, series_line
from sr_reports.wording import (
    LIMITS,
    MODALITIES,
    SEXES,
    age_at_examination,
    count,
    date_in_words,
    human_date,
    human_moment,
    human_name,
)

Data = dict[str, Any]

NOT_STATED = "not stated"
FEW_SERIES = 3  # so many are named among the facts and need no table


def patient_and_study_facts(header: Dataset, content: ReportContent) -> Data:
    """Both panels. Han letters are shaped for the language of the patient's own name."""
    han = language(str(header.PatientName or ""))
    return {**_patient(header, han), **_study(header, content, han)}


def request_facts(content: ReportContent) -> list[Data]:
    """Who asks and since when; reason and history where they are short."""
    request = content.request
    received = human_date(request.received_on) if request.received_on else ""
    reason, history = (text if is_short(text) else "" for text in (request.reason, request.history))
    return _rows(
        ("Requested by", request.requested_by), ("Received on", received), ("Reason", reason), ("History", history)
    )


def is_short(text: str) -> bool:
    """Whether a text is one line among the facts rather than a section of its own."""
    return len(text) <= 200 and len(blocks(text)) <= 1 and "\n" not in text.strip()


def signature(content: ReportContent, sr_digest: str, *, draft: bool) -> Data:
    """The block at the end: the reader, when they signed, and by what the structured report is known."""
    signer = content.signer
    identifiers = (
        ("Structured report (DICOM SOP Instance UID)", content.uids.sr_uid),
        ("SHA-256 of the structured report's dataset", sr_digest),
    )
    return {
        "title": "Reader" if draft else "Signed electronically",
        "name": value(signer.display_name or human_name(signer.name)),
        "lines": [value(line) for line in (signer.title, signer.organization) if line.strip()],
        "facts": _rows(
            ("Signed", "" if draft else human_moment(content.signed_at)),
            ("Registration", _registration(signer)),
        ),
        "statement": f"{basis(content)} {LIMITS}" if content.received_until else LIMITS,
        "identifiers": [] if draft else [{"label": label, "value": text} for label, text in identifiers],
    }


def value(text: str, han: str = "zh") -> Data:
    """One line, with the language and direction in which it is set."""
    line = wrappable(one_line(printable(text)))
    tag = language(line)
    return {"text": line, "language": han if tag == "zh" else tag, "rtl": right_to_left(line)}


def _rows(*pairs: tuple[str, str], han: str = "zh") -> list[Data]:
    return [{"label": label, "value": value(text, han)} for label, text in pairs if text.strip()]


def _patient(header: Dataset, han: str) -> Data:
    born = date_in_words(str(header.PatientBirthDate or ""))
    number = str(header.PatientID or "")
    line = " · ".join(part for part in (f"born {born}" if born else "", f"ID {number}" if number else "") if part)
    return {
        "patient_name": value(human_name(str(header.PatientName or "")) or "Name not stated", han),
        "patient_line": one_line(printable(line)),
        "patient": _rows(
            ("Born", born or NOT_STATED),
            ("Age", age_at_examination(str(header.PatientBirthDate or ""), str(header.StudyDate or ""))),
            ("Sex", SEXES.get(str(header.PatientSex or ""), NOT_STATED)),
            ("Patient ID", number or NOT_STATED),
            ("Issued by", str(header.get("IssuerOfPatientID") or "")),
            han=han,
        ),
    }


def _study(header: Dataset, content: ReportContent, han: str) -> Data:
    modalities = dict.fromkeys(MODALITIES.get(each.modality, each.modality) for each in content.series)
    title = str(header.get("StudyDescription") or "") or ", ".join(each for each in modalities if each) or "Study"
    return {
        "study_name": value(title, han),
        "study": _rows(
            ("Date", date_in_words(str(header.StudyDate or "")) or NOT_STATED),
            ("Accession", str(header.AccessionNumber or "")),
            ("Referred by", human_name(str(header.ReferringPhysicianName or ""))),
            ("Received", _received(content)),
            han=han,
        ),
    }


def _received(content: ReportContent) -> str:
    if len(content.series) <= FEW_SERIES:
        return "; ".join(series_line(each) for each in content.series)
    images = sum(each.instances for each in content.series)
    return f"{count(len(content.series), 'series')}, {count(images, 'image')}"


def _registration(signer: Signer) -> str:
    if not signer.registration_number:
        return ""
    return " ".join(part for part in (signer.registration_body, signer.registration_number) if part)
