"""What stands on the printed report, as the data of report.typ: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from sr_reports.facts import (
    FEW_SERIES,
    Data,
    is_short,
    patient_and_study_facts,
    request_facts,
    signature,
    value,
)
from sr_reports.opinion import Concordance, Opinion, ReportContent
from sr_reports.printable import printable
from sr_reports.prose import blocks, one_line, wrappable
from sr_reports.reference import patient_and_study
from sr_reports.sections import TITLES, Section, SectionName, first_report_source, sections
from sr_reports.wording import CONCORDANCE, MODALITIES, human_date, human_moment, human_name, subspecialty_name

HEADING = "Second-opinion report"
TONES: dict[Concordance, str] = {
    Concordance.AGREE: "agree",
    Concordance.MINOR: "minor",
    Concordance.MAJOR: "major",
    Concordance.NOT_PROVIDED: "neutral",
}
LONGEST_QUOTATION = 3000  # characters of the first report that are printed


def page(content: ReportContent, sr_digest: str, *, draft: bool) -> Data:
    """Everything that report.typ prints. `sr_digest` is empty for a draft, which has no SR."""
    return {
        "draft": draft,
        "title": f"{HEADING} {content.request.case_number}",
        "author": printable(content.signer.display_name or human_name(content.signer.name)),
        "product": content.product,
        "case_number": content.request.case_number,
        "heading": HEADING,
        "subtitle": _subtitle(content, draft=draft),
        "footer": _footer(content, draft=draft),
        **patient_and_study_facts(patient_and_study(content.reference), content),
        "request": request_facts(content),
        "impression": {"title": TITLES[SectionName.IMPRESSION], "blocks": _prose(content.opinion.impression)},
        "concordance": _concordance(content.opinion),
        "sections": _sections(content),
        "signature": signature(content, sr_digest, draft=draft),
    }


def _subtitle(content: ReportContent, *, draft: bool) -> str:
    state = "draft" if draft else f"signed {human_date(content.signed_at)}"
    parts = [subspecialty_name(content.request.subspecialty), state]
    if content.version > 1:
        parts.append(f"version {content.version}, replaces version {content.version - 1}")
    return " · ".join(part for part in parts if part)


def _footer(content: ReportContent, *, draft: bool) -> str:
    state = "draft, not signed" if draft else f"signed {human_moment(content.signed_at)}"
    return f"{content.institution} · {HEADING}, version {content.version}, {state}"


def _concordance(opinion: Opinion) -> Data | None:
    if opinion.concordance is None:
        return None
    headline, colon, meaning = CONCORDANCE[opinion.concordance].partition(": ")
    return {
        "tone": TONES[opinion.concordance],
        "headline": f"{headline}{colon.strip()}",
        "meaning": meaning,
        "comment": _prose(opinion.concordance_comment),
    }


def _sections(content: ReportContent) -> list[Data]:
    """The sections below the impression, in the order of MAKERS, without what stands among the facts already."""
    told = {section.name: section for section in sections(content)}
    made = ((name, maker(told[name], content)) for name, maker in MAKERS.items() if name in told)
    return [{"title": told[name].title, **printed} for name, printed in made if printed]


def _prose(text: str) -> list[Data]:
    return [asdict(block) for block in blocks(wrappable(printable(text)))]


def _joined(section: Section) -> str:
    return "\n\n".join(each.text for each in section.paragraphs)


def _answers(_section: Section, content: ReportContent) -> Data:
    pairs = [{"question": _prose(each.question), "answer": _prose(each.answer)} for each in content.opinion.answers]
    return {"kind": "answers", "pairs": pairs}


def _plain(section: Section, _content: ReportContent) -> Data:
    return {"kind": "prose", "blocks": _prose(_joined(section))}


def _reason(_section: Section, content: ReportContent) -> Data | None:
    reason = content.request.reason
    return None if is_short(reason) else {"kind": "prose", "blocks": _prose(reason)}


def _history(section: Section, content: ReportContent) -> Data | None:
    return None if is_short(content.request.history) else _plain(section, content)


def _received(_section: Section, content: ReportContent) -> Data | None:
    rows = [
        {
            "modality": one_line(MODALITIES.get(each.modality, each.modality)) or "Unknown",
            "description": value(each.description or "–"),
            "images": f"{each.instances:,}",
        }
        for each in content.series
    ]
    return {"kind": "series", "rows": rows} if len(rows) > FEW_SERIES else None


def _first_report(section: Section, content: ReportContent) -> Data:
    prior = content.prior_report
    source = section.paragraphs[0].text if prior and first_report_source(prior) else ""
    text = _joined(section).removeprefix(source).strip("\n")
    note = ""
    if len(text) > LONGEST_QUOTATION:
        text = text[:LONGEST_QUOTATION].rsplit(" ", 1)[0] + " …"
        note = "Shortened here; the structured report has the whole text."
    return {"kind": "quotation", "source": one_line(printable(source)), "blocks": _prose(text), "note": note}


MAKERS: dict[SectionName, Callable[[Section, ReportContent], Data | None]] = {
    SectionName.ANSWERS: _answers,
    SectionName.FINDINGS: _plain,
    SectionName.RECOMMENDATIONS: _plain,
    SectionName.REQUEST: _reason,
    SectionName.HISTORY: _history,
    SectionName.RECEIVED: _received,
    SectionName.FIRST_REPORT: _first_report,
}
