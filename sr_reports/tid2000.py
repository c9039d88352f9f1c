"""Our own gate before a report leaves: what dciodvfy and dsrdump do not see of TID 2000, and what the IOD demands.

https://dicom.nema.org/medical/dicom/current/output/chtml/part16/sect_DiagnosticImagingReportTemplates.html
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, EnhancedSRStorage

ROOT, SECTION = "root", "section"
ALLOWED: dict[str, dict[str, frozenset[str]]] = {  # parent -> relationship -> value types of the child
    ROOT: {
        "HAS CONCEPT MOD": frozenset({"CODE", "TEXT"}),
        "HAS OBS CONTEXT": frozenset({"CODE", "TEXT", "PNAME", "UIDREF", "DATE", "NUM"}),
        "CONTAINS": frozenset({"CONTAINER"}),
    },
    SECTION: {
        "HAS CONCEPT MOD": frozenset({"CODE", "TEXT"}),
        "HAS OBS CONTEXT": frozenset({"CODE", "TEXT", "PNAME", "UIDREF", "DATE", "NUM"}),
        "CONTAINS": frozenset({"CODE", "TEXT", "NUM", "IMAGE"}),
    },
}
NOT_IN_BASIC_TEXT = frozenset({"CODE", "NUM"})  # as content; CODE may be a modifier or context there
REQUIRED_IN_ROOT = {  # concept -> what is missing without it
    "121049": "language",
    "121050": "equivalent title",
    "121005": "observer type",
    "121008": "observer name",
}
REQUIRED_VALUES = {
    "PreliminaryFlag": "FINAL",
    "CompletionFlag": "COMPLETE",
    "VerificationFlag": "VERIFIED",
    "SpecificCharacterSet": "ISO_IR 192",
    "ValueType": "CONTAINER",
}
REQUIRED_SEQUENCES = (
    "VerifyingObserverSequence",
    "AuthorObserverSequence",
    "CurrentRequestedProcedureEvidenceSequence",
    "ReferencedRequestSequence",
    "ReferencedInstanceSequence",
    "ConceptNameCodeSequence",
    "ContentSequence",
)
SOP_CLASSES = frozenset({str(BasicTextSRStorage), str(EnhancedSRStorage)})


def check_tid2000(dataset: Dataset) -> tuple[str, ...]:
    """What keeps `dataset` from being a signed TID 2000 report, as Enhanced or Basic Text SR; nothing if it is one."""
    return tuple([*_document(dataset), *_root(dataset), *_sections(dataset), *_codes(dataset, "report")])


def _document(dataset: Dataset) -> Iterator[str]:
    if str(dataset.get("SOPClassUID", "")) not in SOP_CLASSES:
        yield "it is neither an Enhanced SR nor a Basic Text SR"
    for keyword, value in REQUIRED_VALUES.items():
        if dataset.get(keyword) != value:
            yield f"{keyword} is not {value}"
    for keyword in REQUIRED_SEQUENCES:
        if not dataset.get(keyword):
            yield f"{keyword} is missing or empty"
    yield from _verification(dataset)


def _verification(dataset: Dataset) -> Iterator[str]:
    for observer in dataset.get("VerifyingObserverSequence") or []:
        if not observer.get("VerifyingObserverName") or not observer.get("VerifyingOrganization"):
            yield "the verifying observer has no name or organization"
        if str(observer.get("VerificationDateTime", ""))[-5:-4] not in {"+", "-"}:
            yield "the verification time has no offset from UTC"


def _root(dataset: Dataset) -> Iterator[str]:
    templates = dataset.get("ContentTemplateSequence") or [Dataset()]
    if (templates[0].get("TemplateIdentifier"), templates[0].get("MappingResource")) != ("2000", "DCMR"):
        yield "the root does not name TID 2000 of DCMR"
    if _concept(dataset) != "18748-4":
        yield "the title is not 18748-4 Diagnostic Imaging Report"
    children = dataset.get("ContentSequence") or []
    concepts = [_concept(child) for child in children]
    for concept, name in REQUIRED_IN_ROOT.items():
        if concept not in concepts:
            yield f"the root has no {name}"
    if concepts.count("121049") > 1:
        yield "the root has more than one language"
    yield from _relationships(ROOT, children)
    if not any(child.get("ValueType") == "CONTAINER" for child in children):
        yield "there is no section"


def _sections(dataset: Dataset) -> Iterator[str]:
    basic = str(dataset.get("SOPClassUID", "")) == str(BasicTextSRStorage)
    for section in (each for each in dataset.get("ContentSequence") or [] if each.get("ValueType") == "CONTAINER"):
        children = section.get("ContentSequence") or []
        yield from _relationships(SECTION, children)
        if not any(child.get("RelationshipType") == "CONTAINS" for child in children):
            yield f"section {_concept(section)} is empty"
        for child in children:
            value_type = child.get("ValueType")
            if value_type == "TEXT" and not str(child.get("TextValue") or "").strip():
                yield f"section {_concept(section)} has an empty text"
            if basic and child.get("RelationshipType") == "CONTAINS" and value_type in NOT_IN_BASIC_TEXT:
                yield f"a Basic Text SR has a {value_type} in section {_concept(section)}"


def _relationships(parent: str, children: list[Dataset]) -> Iterator[str]:
    for child in children:
        relationship, value_type = child.get("RelationshipType"), child.get("ValueType")
        if value_type not in ALLOWED[parent].get(relationship, frozenset()):
            yield f"a {parent} may not have {value_type} by {relationship} ({_concept(child)})"
        if not _concept(child):
            yield f"a {value_type} in a {parent} has no concept name"


def _codes(item: Dataset, where: str) -> Iterator[str]:
    """Every code of the document has a value, a scheme and a meaning that fits into 64 characters."""
    for element in item:
        if element.VR != "SQ":
            continue
        for each in element.value:
            if "CodeMeaning" in each or element.keyword.endswith("CodeSequence"):
                yield from _code(each, f"{element.keyword} in {where}")
            yield from _codes(each, element.keyword)


def _code(code: Dataset, where: str) -> Iterator[str]:
    if not (code.get("CodeValue") or code.get("LongCodeValue") or code.get("URNCodeValue")):
        yield f"{where} has an empty code value"
    if not code.get("CodingSchemeDesignator") and not code.get("URNCodeValue"):
        yield f"{where} has no coding scheme"
    if not 0 < len(str(code.get("CodeMeaning") or "")) <= 64:
        yield f"{where} has a meaning that is empty or longer than 64 characters"


def _concept(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence") or [Dataset()]
    return str(names[0].get("CodeValue") or "")
