"""The sections of a report: the one source of what SR, PDF and web page say, and in which order the SR says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sr_reports.opinion import PriorReport, ReportContent, SeriesSummary
from sr_reports.prose import paragraphs
from sr_reports.wording import CONCORDANCE, LIMITS, MODALITIES, count, date_in_words, human_date, human_moment


class SectionName(StrEnum):
    """Every section there can be."""

    REQUEST = "request"
    HISTORY = "history"
    RECEIVED = "received"
    FIRST_REPORT = "first_report"
    FINDINGS = "findings"
    COMPARISON = "comparison"
    IMPRESSION = "impression"
    ANSWERS = "answers"
    RECOMMENDATIONS = "recommendations"


class Role(StrEnum):
    """What a paragraph is within its section."""

    TEXT = "text"
    QUESTION = "question"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text without blank lines; its own lines end in LF and may form a list."""

    text: str
    role: Role = Role.TEXT


@dataclass(frozen=True, slots=True)
class Section:
    """One titled section, never empty."""

    name: SectionName
    title: str
    paragraphs: tuple[Paragraph, ...]


TITLES: dict[SectionName, str] = {
    SectionName.REQUEST: "Request",
    SectionName.HISTORY: "Clinical history",
    SectionName.RECEIVED: "What was received",
    SectionName.FIRST_REPORT: "First report",
    SectionName.FINDINGS: "Findings",
    SectionName.COMPARISON: "Comparison with the first report",
    SectionName.IMPRESSION: "Impression",
    SectionName.ANSWERS: "Answers to the questions",
    SectionName.RECOMMENDATIONS: "Recommendations",
}


def sections(content: ReportContent) -> tuple[Section, ...]:
    """The sections that this report has, in the order of the SR. A section without text is left out."""
    told = {
        SectionName.REQUEST: tuple(_request(content)),
        SectionName.HISTORY: _texts(content.request.history),
        SectionName.RECEIVED: (*_received(content), Paragraph(LIMITS)),
        SectionName.FIRST_REPORT: tuple(_first_report(content.prior_report)),
        SectionName.FINDINGS: _texts(content.opinion.findings),
        SectionName.COMPARISON: tuple(_comparison(content)),
        SectionName.IMPRESSION: _texts(content.opinion.impression),
        SectionName.ANSWERS: tuple(_answers(content)),
        SectionName.RECOMMENDATIONS: _texts(content.opinion.recommendations),
    }
    return tuple(Section(name, TITLES[name], told[name]) for name in SectionName if told[name])


def _texts(text: str, role: Role = Role.TEXT) -> tuple[Paragraph, ...]:
    return tuple(Paragraph(part, role) for part in paragraphs(text))


def _request(content: ReportContent) -> Iterator[Paragraph]:
    request = content.request
    if request.requested_by:
        received = f", received on {human_date(request.received_on)}" if request.received_on else ""
        yield Paragraph(f"Requested by {request.requested_by}{received}.")
    yield from _texts(request.reason)
    for question in request.questions:
        yield from _texts(question, Role.QUESTION)


def _received(content: ReportContent) -> Iterator[Paragraph]:
    if content.received_until:
        yield Paragraph(basis(content))
    if content.series:
        yield Paragraph("\n".join(f"- {series_line(each)}" for each in content.series))


def basis(content: ReportContent) -> str:
    """Based on 312 images received until 24 November 2026, 14:05 (UTC+01:00)."""
    images = count(len(content.evidence), "image")
    until = f" received until {human_moment(content.received_until)}" if content.received_until else ""
    return f"Based on {images}{until}."


def series_line(series: SeriesSummary) -> str:
    """CT, Chest 1.0 mm: 312 images."""
    modality = MODALITIES.get(series.modality, series.modality) or "Unknown modality"
    described = f"{modality}, {series.description}" if series.description.strip() else modality
    return f"{described}: {count(series.instances, 'image')}"


def first_report_source(prior: PriorReport) -> str:
    """By whom, of when and from where the first report is; "" when nothing of it is known."""
    parts = (f"by {prior.author}" if prior.author else "", date_in_words(prior.date), prior.source)
    return ", ".join(part for part in parts if part)


def _first_report(prior: PriorReport | None) -> Iterator[Paragraph]:
    if prior and prior.text.strip():
        if source := first_report_source(prior):
            yield Paragraph(f"{source[0].upper()}{source[1:]}.")
        yield from _texts(prior.text)


def _comparison(content: ReportContent) -> Iterator[Paragraph]:
    if content.opinion.concordance:
        yield Paragraph(CONCORDANCE[content.opinion.concordance])
    yield from _texts(content.opinion.concordance_comment)


def _answers(content: ReportContent) -> Iterator[Paragraph]:
    for each in content.opinion.answers:
        yield from _texts(each.question, Role.QUESTION)
        yield from _texts(each.answer, Role.ANSWER)
