"""What a report is made of: the reader's opinion, and everything that stands around it.

All of it is frozen when the reader signs. The same content gives the same bytes, as SR and as PDF, however often it is
built; `sr_reports.snapshot` keeps it as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sr_reports.opinion_json import parse_answers, parse_choice, parse_object, parse_text, refuse_if_any


class Concordance(StrEnum):
    """How the second opinion stands to the first. A major difference would change what is done for the patient."""

    AGREE = "agree"
    MINOR = "minor"
    MAJOR = "major"
    NOT_PROVIDED = "not_provided"


@dataclass(frozen=True, slots=True)
class Answer:
    """One question of the patient or the hospital, and what the reader answers."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the reader wrote. Lines end in LF; `concordance` is None until the reader has chosen."""

    findings: str = ""
    impression: str = ""
    recommendations: str = ""
    answers: tuple[Answer, ...] = ()
    concordance: Concordance | None = None
    concordance_comment: str = ""

    @classmethod
    def from_json(cls, body: object) -> Opinion:
        """Read the body of `PUT /cases/{id}/opinion`. What is absent is empty, as in a draft.

        Raises InvalidOpinion, with a sentence for every field that is wrong, also for a field that we do not know.
        """
        wrong: dict[str, str] = {}
        fields = parse_object(body, frozenset(cls.__slots__), wrong)
        choice = parse_choice(fields, "concordance", tuple(Concordance), wrong)
        opinion = cls(
            findings=parse_text(fields, "findings", wrong),
            impression=parse_text(fields, "impression", wrong),
            recommendations=parse_text(fields, "recommendations", wrong),
            answers=tuple(Answer(question, answer) for question, answer in parse_answers(fields, "answers", wrong)),
            concordance=Concordance(choice) if choice else None,
            concordance_comment=parse_text(fields, "concordance_comment", wrong),
        )
        refuse_if_any(wrong)
        return opinion

    def to_json(self) -> Mapping[str, object]:
        """The same shape that `from_json` reads."""
        return {
            "findings": self.findings,
            "impression": self.impression,
            "recommendations": self.recommendations,
            "answers": [{"question": each.question, "answer": each.answer} for each in self.answers],
            "concordance": self.concordance.value if self.concordance else None,
            "concordance_comment": self.concordance_comment,
        }


@dataclass(frozen=True, slots=True)
class Signer:
    """The reader, as the report names them. `name` is a DICOM person name: Family^Given^Middle^Prefix^Suffix."""

    name: str
    display_name: str
    title: str = ""
    organization: str = ""
    registration_number: str = ""
    registration_body: str = ""


@dataclass(frozen=True, slots=True)
class PriorReport:
    """The first report, as it was handed to us. `date` is ISO 8601, a DICOM date, or whatever was written."""

    text: str
    author: str = ""
    date: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for the second opinion, and for what. `case_number` has at most 16 characters (DICOM SH)."""

    case_number: str
    subspecialty: str
    requested_by: str = ""
    reason: str = ""
    history: str = ""
    questions: tuple[str, ...] = ()
    received_on: date | None = None


@dataclass(frozen=True, slots=True)
class ReportUids:
    """The identifiers of one signed version, minted at signing and never used for anything else."""

    sr_uid: str
    sr_series_uid: str
    pdf_uid: str
    pdf_series_uid: str


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One DICOM instance and where it belongs."""

    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_uid: str


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """One series of what was received, as a line for people."""

    modality: str
    description: str
    instances: int


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything that one signed version says.

    `reference` is one instance of the study that is reported on, as Part 10 (pixels are not needed;
    `sr_reports.reference.header_of` makes it small): patient and study are copied from it verbatim. `evidence` is every
    instance that was received, of all studies of the case, without our own reports. `predecessor` is the SR of the
    version before, and required when `version` is above 1. `signed_at` is aware; its zone is the one that is printed.
    `received_until` is when the newest image of the evidence came; reports of before it was kept have none.
    """

    opinion: Opinion
    signer: Signer
    request: Request
    uids: ReportUids
    signed_at: datetime
    evidence: tuple[InstanceRef, ...]
    series: tuple[SeriesSummary, ...]
    reference: bytes
    prior_report: PriorReport | None = None
    version: int = 1
    predecessor: InstanceRef | None = None
    institution: str = "Overread"
    product: str = "Overread"
    software_version: str = ""
    received_until: datetime | None = None
