"""Every code in a report, in one table. Our own have one designator, PRIVATE.

Names of sections are PS3.16 CID 7001, of elements CID 7002; both are baseline, so our own beside them conform.
"""

from __future__ import annotations

from typing import NamedTuple

from highdicom.sr import CodedConcept

from sr_reports.opinion import Concordance
from sr_reports.sections import Role, SectionName

PRIVATE = "99OVERREAD"


def _code(value: str, scheme: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, scheme, meaning)


DIAGNOSTIC_IMAGING_REPORT = _code("18748-4", "LN", "Diagnostic Imaging Report")
RADIOLOGY_CONSULT_NOTE = _code("73575-3", "LN", "Radiology Consult note")
EQUIVALENT_TITLE = _code("121050", "DCM", "Equivalent Meaning of Concept Name")
LANGUAGE = _code("121049", "DCM", "Language of Content Item and Descendants")
ENGLISH = _code("en", "RFC5646", "English")

OBSERVER_TYPE = _code("121005", "DCM", "Observer Type")
PERSON = _code("121006", "DCM", "Person")
PERSON_NAME = _code("121008", "DCM", "Person Observer Name")
ORGANIZATION = _code("121009", "DCM", "Person Observer's Organization Name")
ROLE_IN_ORGANIZATION = _code("121010", "DCM", "Person Observer's Role in the Organization")
ROLE_IN_PROCEDURE = _code("121011", "DCM", "Person Observer's Role in this Procedure")
REGISTRATION = _code("128775", "DCM", "Identifier within Person Observer's Role")
CONSULTANT = _code("309390008", "SCT", "Consultant")
READER = _code("C28747", "NCIt", "Reader")

COMPLETE_RENDERING = _code("121332", "DCM", "Complete Rendering for Presentation")

REQUEST = _code("55115-0", "LN", "Request")
FINDING = _code("121071", "DCM", "Finding")
CONCORDANCE = _code("CONCORDANCE", PRIVATE, "Agreement with the first report")
SIGNIFICANCE = _code("SIGNIFICANCE", PRIVATE, "Significance of the difference")

HEADINGS: dict[SectionName, CodedConcept] = {
    SectionName.REQUEST: REQUEST,
    SectionName.HISTORY: _code("11329-0", "LN", "History"),
    SectionName.RECEIVED: _code("55111-9", "LN", "Current Procedure Descriptions"),
    SectionName.FIRST_REPORT: _code("18834-2", "LN", "Previous Findings"),
    SectionName.FINDINGS: _code("59776-5", "LN", "Findings"),
    SectionName.COMPARISON: _code("COMPARISON", PRIVATE, "Comparison with the First Report"),
    SectionName.IMPRESSION: _code("19005-8", "LN", "Impressions"),
    SectionName.ANSWERS: _code("ANSWERS", PRIVATE, "Answers to the Questions"),
    SectionName.RECOMMENDATIONS: _code("18783-1", "LN", "Recommendations"),
}
ELEMENTS: dict[SectionName, CodedConcept] = {
    SectionName.REQUEST: REQUEST,
    SectionName.HISTORY: _code("11329-0", "LN", "History"),
    SectionName.RECEIVED: _code("121065", "DCM", "Procedure Description"),
    SectionName.FIRST_REPORT: _code("121069", "DCM", "Previous Finding"),
    SectionName.FINDINGS: FINDING,
    SectionName.COMPARISON: FINDING,
    SectionName.IMPRESSION: _code("121073", "DCM", "Impression"),
    SectionName.ANSWERS: FINDING,
    SectionName.RECOMMENDATIONS: _code("121075", "DCM", "Recommendation"),
}
ROLES: dict[Role, CodedConcept] = {  # a paragraph with another role than TEXT, in whichever section
    Role.QUESTION: REQUEST,
    Role.ANSWER: _code("121077", "DCM", "Conclusion"),
}
_DISAGREEMENT = _code("122776", "DCM", "Disagreement with prior findings")
AGREEMENT: dict[Concordance, tuple[tuple[CodedConcept, CodedConcept], ...]] = {  # CID 3217, and how much it matters
    Concordance.AGREE: ((CONCORDANCE, _code("122775", "DCM", "Agreement with prior findings")),),
    Concordance.MINOR: (
        (CONCORDANCE, _DISAGREEMENT),
        (SIGNIFICANCE, _code("MINOR", PRIVATE, "Minor: would not change management")),
    ),
    Concordance.MAJOR: (
        (CONCORDANCE, _DISAGREEMENT),
        (SIGNIFICANCE, _code("MAJOR", PRIVATE, "Major: would change management")),
    ),
    Concordance.NOT_PROVIDED: ((CONCORDANCE, _code("NOT_PROVIDED", PRIVATE, "First report not provided")),),
}


class Scheme(NamedTuple):
    """A coding scheme as PS3.16 section 8 lists it; `uid` is empty for our own."""

    uid: str
    name: str


SCHEMES: dict[str, Scheme] = {
    "DCM": Scheme("1.2.840.10008.2.16.4", "DICOM Controlled Terminology"),
    "LN": Scheme("2.16.840.1.113883.6.1", "LOINC"),
    "NCIt": Scheme("2.16.840.1.113883.3.26.1.1", "NCI Thesaurus"),
    "RFC5646": Scheme("2.16.840.1.113883.6.316", "Tags for Identifying Languages"),
    "SCT": Scheme("2.16.840.1.113883.6.96", "SNOMED CT"),
    PRIVATE: Scheme("", "Overread second opinions"),
}
