"""What prevents signing, in words that the reader can act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sr_reports.errors import Unreportable
from sr_reports.opinion import Concordance, Opinion, ReportContent
from sr_reports.prose import one_line, unprintable
from sr_reports.reference import patient_and_study

REQUIRED = {
    "impression": "The impression is empty: say first what the reader of the report must know.",
    "findings": "The findings are empty.",
}


COMPARED = frozenset(Concordance) - {Concordance.NOT_PROVIDED}


def opinion_problems(opinion: Opinion, questions: tuple[str, ...] = (), first_report: str = "") -> tuple[str, ...]:
    """What is missing or wrong in what the reader wrote; empty when it can be signed."""
    return tuple([*_uncompared(opinion, first_report), *_unmakeable_opinion(opinion, questions, first_report)])


def problems(content: ReportContent) -> tuple[str, ...]:
    """What prevents signing this content: `opinion_problems`, and what is wrong around the opinion.

    Text that the reader did not write prevents nothing (`sr_reports.printable`). Whether every letter of theirs has a
    glyph is known only to `sr_reports.pdf.build_pdf`; try that too before signing.
    """
    return tuple([*_uncompared(content.opinion, _first_report(content)), *_unmakeable(content)])


def refuse_problems(content: ReportContent) -> None:
    """Raise Unreportable with everything that no report can be made of, also of one that was signed long ago."""
    if found := _unmakeable(content):
        raise Unreportable(" ".join(found))


def _unmakeable(content: ReportContent) -> list[str]:
    opinion = _unmakeable_opinion(content.opinion, content.request.questions, _first_report(content))
    return [*opinion, *_circumstances(content)]


def _unmakeable_opinion(opinion: Opinion, questions: tuple[str, ...], first_report: str) -> list[str]:
    return [*_missing(opinion, questions, first_report), *_unprintable(written(opinion))]


def _first_report(content: ReportContent) -> str:
    return content.prior_report.text if content.prior_report else ""


def _uncompared(opinion: Opinion, first_report: str) -> Iterator[str]:
    if opinion.concordance in COMPARED and not first_report.strip():
        yield "No first report was provided, so there is nothing to agree with or differ from: choose that."


def _missing(opinion: Opinion, questions: tuple[str, ...], first_report: str) -> Iterator[str]:
    for field, sentence in REQUIRED.items():
        if not getattr(opinion, field).strip():
            yield sentence
    answered = {one_line(each.question) for each in opinion.answers if each.answer.strip()}
    for question in (*questions, *(each.question for each in opinion.answers)):
        if (asked := one_line(question)) and asked not in answered:
            answered.add(asked)  # named once
            yield f"A question has no answer: {asked}"
    if opinion.concordance is None:
        yield "Agreement with the first report is not chosen."
    if opinion.concordance is Concordance.NOT_PROVIDED and first_report.strip():
        yield "A first report was provided: say whether the second opinion agrees with it."


def _circumstances(content: ReportContent) -> Iterator[str]:
    if not content.signer.name.replace("^", "").strip():
        yield "The reader's name is missing from their account."
    if content.signed_at.tzinfo is None:
        yield "The time of signing has no time zone."
    if content.version > 1 and content.predecessor is None:
        yield "A later version must name the report that it replaces."
    try:
        study = str(patient_and_study(content.reference).StudyInstanceUID)
    except Unreportable as error:
        yield str(error)
        return
    if not any(each.study_uid == study for each in content.evidence):
        yield "There is no image of the study that is reported on."


def written(opinion: Opinion) -> Iterator[tuple[str, str]]:
    """What the reader wrote, each text with the name of its place."""
    yield "findings", opinion.findings
    yield "impression", opinion.impression
    yield "recommendations", opinion.recommendations
    yield "comment on the first report", opinion.concordance_comment
    for each in opinion.answers:
        yield "answer", each.answer


def _unprintable(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in texts:
        if bad := unprintable(text):
            yield f"The {name} contains characters that cannot be printed: {', '.join(bad)}. Remove them."
