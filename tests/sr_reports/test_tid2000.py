"""Our own gate finds what the validators let pass."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import BasicTextSRStorage

from sr_reports.opinion import ReportContent
from sr_reports.structured import build_basic_text_sr, build_sr
from sr_reports.tid2000 import check_tid2000


def sections_of(sr: Dataset) -> list[Dataset]:
    return [item for item in sr.ContentSequence if item.ValueType == "CONTAINER"]


def without(sr: Dataset, concept: str) -> None:
    kept = [item for item in sr.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue != concept]
    sr.ContentSequence = Sequence(kept)


def wrong_relationship(sr: Dataset) -> None:
    sections_of(sr)[0].ContentSequence[0].RelationshipType = "HAS PROPERTIES"


def no_evidence(sr: Dataset) -> None:
    del sr.CurrentRequestedProcedureEvidenceSequence


def no_verifying_observer(sr: Dataset) -> None:
    del sr.VerifyingObserverSequence


def verified_but_partial(sr: Dataset) -> None:
    sr.CompletionFlag = "PARTIAL"


def verified_without_offset(sr: Dataset) -> None:
    sr.VerifyingObserverSequence[0].VerificationDateTime = "20261124140507"


def long_meaning(sr: Dataset) -> None:
    sections_of(sr)[0].ConceptNameCodeSequence[0]._dict.pop(0x00080104)
    sections_of(sr)[0].ConceptNameCodeSequence[0].add_new(0x00080104, "UT", "x" * 65)


def empty_code(sr: Dataset) -> None:
    sections_of(sr)[0].ConceptNameCodeSequence[0].CodeValue = ""


def nested_section(sr: Dataset) -> None:
    first, second, *_ = sections_of(sr)
    first.ContentSequence.append(second)


def empty_section(sr: Dataset) -> None:
    sections_of(sr)[0].ContentSequence = Sequence([])


def empty_text(sr: Dataset) -> None:
    sections_of(sr)[0].ContentSequence[0].TextValue = "  "


def no_language(sr: Dataset) -> None:
    without(sr, "121049")


def two_languages(sr: Dataset) -> None:
    sr.ContentSequence.append(sr.ContentSequence[0])


def no_title(sr: Dataset) -> None:
    without(sr, "121050")


def no_observer(sr: Dataset) -> None:
    without(sr, "121008")


def no_template(sr: Dataset) -> None:
    del sr.ContentTemplateSequence


def other_charset(sr: Dataset) -> None:
    sr.SpecificCharacterSet = "ISO_IR 100"


def code_in_basic_text(sr: Dataset) -> None:
    sr.SOPClassUID = BasicTextSRStorage


MUTATIONS: dict[Callable[[Dataset], None], str] = {
    wrong_relationship: "may not have TEXT by HAS PROPERTIES",
    no_evidence: "CurrentRequestedProcedureEvidenceSequence is missing",
    no_verifying_observer: "VerifyingObserverSequence is missing",
    verified_but_partial: "CompletionFlag is not COMPLETE",
    verified_without_offset: "no offset from UTC",
    long_meaning: "longer than 64 characters",
    empty_code: "empty code value",
    nested_section: "may not have CONTAINER",
    empty_section: "is empty",
    empty_text: "empty text",
    no_language: "no language",
    two_languages: "more than one language",
    no_title: "no equivalent title",
    no_observer: "no observer name",
    no_template: "TID 2000",
    other_charset: "SpecificCharacterSet",
    code_in_basic_text: "Basic Text SR has a CODE",
}


@pytest.mark.parametrize(("mutate", "finding"), MUTATIONS.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_a_defect_is_found(
    mutate: Callable[[Dataset], None], finding: str, content: Callable[..., ReportContent]
) -> None:
    sr = dcmread(BytesIO(build_sr(content())))
    assert check_tid2000(sr) == ()
    mutate(sr)
    assert any(finding in found for found in check_tid2000(sr)), check_tid2000(sr)


def test_a_basic_text_report_passes(content: Callable[..., ReportContent]) -> None:
    assert check_tid2000(dcmread(BytesIO(build_basic_text_sr(content())))) == ()


def test_an_image_is_no_report(shipped: Callable[[str], bytes]) -> None:
    assert check_tid2000(dcmread(BytesIO(shipped("CT_small.dcm"))))
