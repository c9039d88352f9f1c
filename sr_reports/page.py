"""What stands on the printed report, as the data of report.typ: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pydicom import Dataset

from sr_reports.opinion import Concordance, ReportContent, Signer
from sr_reports.prose import blocks, language, one_line, right_to_left
from sr_reports.reference import patient_and_study
from sr_reports.sections import Paragraph, Role, Section, SectionName, first_report_source, sections
from sr_reports.wording import (
    CONCORDANCE,
    LIMITS,
    MODALITIES,
    SEXES,
    count,
    date_in_words,
    human_date,
    human_moment,
    human_name,
    subspecialty_name,
)

Data = dict[str, Any]

HEADING = "Second-opinion report"
ORDER = (
    SectionName.ANSWERS,
    SectionName.FINDINGS,
    SectionName.RECOMMENDATIONS,
    SectionName.COMPARISON,
    SectionName.REQUEST,
    SectionName.HISTORY,
    SectionName.RECEIVED,
    SectionName.FIRST_REPORT,
)
TONES: dict[Concordance, str] = {
    Concordance.AGREE: "agree",
    Concordance.MINOR: "minor",
    Concordance.MAJOR: "major",
    Concordance.NOT_PROVIDED: "neutral",
}
LONGEST_QUOTATION = 3000  # characters of the first report that are printed


def page(content: ReportContent, sr_digest: str, *, draft: bool) -> Data:
    """Everything that report.typ prints. `sr_digest` is empty for a draft, which has no SR."""
    header = patient_and_study(content.reference)
    told = {section.name: section for section in sections(content)}
    return {
        "draft": draft,
        "title": f"{HEADING} {content.request.case_number}",
        "author": content.signer.display_name or human_name(content.signer.name),
        "product": content.product,
        "case_number": content.request.case_number,
        "heading": HEADING,
        "subtitle": _subtitle(content, draft=draft),
        "footer": _footer(content, draft=draft),
        **_patient(header),
        **_study(header, content),
        "request": _request(content),
        "impression": {
            "title": told[SectionName.IMPRESSION].title if SectionName.IMPRESSION in told else "Impression",
            "blocks": _prose(content.opinion.impression),
        },
        "concordance": _concordance(content.opinion.concordance),
        "sections": [made for name in ORDER if name in told and (made := _section(told[name], content))],
        "signature": _signature(content, sr_digest, draft=draft),
    }


def _value(text: str) -> Data:
    line = one_line(text)
    return {"text": line, "language": language(line), "rtl": right_to_left(line)}


def _row(label: str, text: str) -> Data:
    return {"label": label, "value": _value(text)}


def _rows(*pairs: tuple[str, str]) -> list[Data]:
    return [_row(label, text) for label, text in pairs if text.strip()]


def _prose(text: str) -> list[Data]:
    return [asdict(block) for block in blocks(text)]


def _subtitle(content: ReportContent, *, draft: bool) -> str:
    state = "draft" if draft else f"signed {human_date(content.signed_at)}"
    parts = [subspecialty_name(content.request.subspecialty), state]
    if content.version > 1:
        parts.append(f"version {content.version}, replaces version {content.version - 1}")
    return " · ".join(part for part in parts if part)


def _footer(content: ReportContent, *, draft: bool) -> str:
    state = "draft, not signed" if draft else f"signed {human_moment(content.signed_at)}"
    return f"{content.institution} · {HEADING}, version {content.version}, {state}"


def _patient(header: Dataset) -> Data:
    born = date_in_words(str(header.PatientBirthDate or ""))
    number = str(header.PatientID or "")
    issuer = str(header.get("IssuerOfPatientID") or "")
    sex = SEXES.get(str(header.PatientSex or ""), "")
    line = " · ".join(part for part in (f"born {born}" if born else "", f"ID {number}" if number else "") if part)
    return {
        "patient_name": _value(human_name(str(header.PatientName or "")) or "Name not stated"),
        "patient_line": line,
        "patient": _rows(
            ("Born", born or "not stated"),
            ("Sex", sex or "not stated"),
            ("Patient ID", number or "not stated"),
            ("Issued by", issuer),
        ),
    }


def _study(header: Dataset, content: ReportContent) -> Data:
    modalities = dict.fromkeys(MODALITIES.get(each.modality, each.modality) for each in content.series)
    received = (
        f"{count(len(content.series), 'series')}, {count(sum(each.instances for each in content.series), 'image')}"
    )
    return {
        "study_name": _value(str(header.get("StudyDescription") or "") or ", ".join(modalities) or "Study"),
        "study": _rows(
            ("Date", date_in_words(str(header.StudyDate or "")) or "not stated"),
            ("Accession", str(header.AccessionNumber or "")),
            ("Referred by", human_name(str(header.ReferringPhysicianName or ""))),
            ("Received", received if content.series else ""),
        ),
    }


def _request(content: ReportContent) -> list[Data]:
    request = content.request
    received = human_date(request.received_on) if request.received_on else ""
    reason = request.reason if _is_short(request.reason) else ""
    return _rows(("Requested by", request.requested_by), ("Received on", received), ("Reason", reason))


def _is_short(text: str) -> bool:
    return len(text) <= 200 and len(blocks(text)) <= 1 and "\n" not in text.strip()


def _concordance(concordance: Concordance | None) -> Data | None:
    if concordance is None:
        return None
    headline, colon, meaning = CONCORDANCE[concordance].partition(": ")
    return {
        "tone": TONES[concordance],
        "headline": f"{headline}{colon.strip()}",
        "meaning": meaning,
    }


def _section(section: Section, content: ReportContent) -> Data | None:
    """The section as it is printed; None where something else on the page says it already."""
    makers = {
        SectionName.ANSWERS: _answers,
        SectionName.COMPARISON: _comparison,
        SectionName.REQUEST: _reason,
        SectionName.RECEIVED: _received,
        SectionName.FIRST_REPORT: _first_report,
    }
    made = makers.get(section.name, _plain)(section, content)
    return {"title": section.title, **made} if made else None


def _plain(section: Section, content: ReportContent) -> Data:
    del content
    return {"kind": "prose", "blocks": _prose(_joined(section.paragraphs))}


def _joined(told: Sequence[Paragraph]) -> str:
    return "\n\n".join(each.text for each in told)


def _answers(section: Section, content: ReportContent) -> Data:
    del section
    pairs = [{"question": _prose(each.question), "answer": _prose(each.answer)} for each in content.opinion.answers]
    return {"kind": "answers", "pairs": pairs}


def _comparison(section: Section, content: ReportContent) -> Data | None:
    del section
    comment = _prose(content.opinion.concordance_comment)
    return {"kind": "prose", "blocks": comment} if comment else None


def _reason(section: Section, content: ReportContent) -> Data | None:
    reason = _prose(content.request.reason)
    del section
    return None if _is_short(content.request.reason) else {"kind": "prose", "blocks": reason}


def _received(section: Section, content: ReportContent) -> Data:
    del section
    rows = [
        {
            "modality": one_line(MODALITIES.get(each.modality, each.modality)) or "Unknown",
            "description": _value(each.description or "–"),
            "images": f"{each.instances:,}",
        }
        for each in content.series
    ]
    return {"kind": "series", "rows": rows, "note": LIMITS}


def _first_report(section: Section, content: ReportContent) -> Data:
    prior = content.prior_report
    quoted = [each for each in section.paragraphs if each.role is Role.TEXT]
    source = quoted.pop(0).text if prior and first_report_source(prior) else ""
    text = _joined(quoted)
    note = ""
    if len(text) > LONGEST_QUOTATION:
        text = text[:LONGEST_QUOTATION].rsplit(" ", 1)[0] + " …"
        note = "Shortened here; the structured report has the whole text."
    return {"kind": "quotation", "source": source, "blocks": _prose(text), "note": note}


def _signature(content: ReportContent, sr_digest: str, *, draft: bool) -> Data:
    signer = content.signer
    identifiers = (
        ("Structured report (DICOM SOP Instance UID)", content.uids.sr_uid),
        ("SHA-256 of the structured report's dataset", sr_digest),
    )
    return {
        "title": "Reader" if draft else "Signed electronically",
        "name": _value(signer.display_name or human_name(signer.name)),
        "lines": [_value(line) for line in (signer.title, signer.organization) if line.strip()],
        "facts": _rows(
            ("Signed", "" if draft else human_moment(content.signed_at)),
            ("Registration", _registration(signer)),
            ("Case", f"{content.request.case_number}, version {content.version}"),
        ),
        "statement": LIMITS,
        "identifiers": [] if draft else [{"label": label, "value": value} for label, value in identifiers],
    }


def _registration(signer: Signer) -> str:
    if not signer.registration_number:
        return ""
    return " ".join(part for part in (signer.registration_body, signer.registration_number) if part)
