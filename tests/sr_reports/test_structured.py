"""The signed report as DICOM SR, judged by dciodvfy and DCMTK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import pytest
from pydicom import Dataset

from sr_reports.errors import Unreportable
from sr_reports.opinion import Answer, Concordance, InstanceRef, PriorReport, ReportContent, SeriesSummary
from sr_reports.sections import SectionName, sections
from sr_reports.structured import basic_text_uid, build_basic_text_sr, build_sr, dataset_digest
from sr_reports.tid2000 import check_tid2000
from sr_reports.wording import human_moment

Make = Callable[..., ReportContent]
Errors = Callable[[bytes], list[str]]
Parsed = Callable[[bytes], Dataset]

SHIPPED = (
    "CT_small.dcm",
    "MR_small.dcm",
    "ExplVR_BigEnd.dcm",
    "rtdose.dcm",
    "examples_palette.dcm",
    "chrArab.dcm",
    "chrFren.dcm",
    "chrFrenMulti.dcm",
    "chrGerm.dcm",
    "chrGreek.dcm",
    "chrH31.dcm",
    "chrH32.dcm",
    "chrHbrw.dcm",
    "chrI2.dcm",
    "chrJapMulti.dcm",
    "chrJapMultiExplicitIR6.dcm",
    "chrKoreanMulti.dcm",
    "chrRuss.dcm",
    "chrX1.dcm",
    "chrX2.dcm",
)
WITHOUT = (
    "AccessionNumber",
    "StudyID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "PatientID",
    "PatientName",
    "ReferringPhysicianName",
)


def texts(dataset: Dataset) -> list[str]:
    return [item.TextValue for item in items(dataset) if item.ValueType == "TEXT"]


def items(dataset: Dataset) -> Iterator[Dataset]:
    for item in dataset.get("ContentSequence", []):
        yield item
        yield from items(item)


@pytest.mark.parametrize("name", SHIPPED)
def test_validators_find_no_error_whatever_instance_is_reported_on(
    name: str, shipped: Callable[[str], bytes], content: Make, dciodvfy: Errors, dsrdump: Callable[[bytes], str]
) -> None:
    made = content(reference=shipped(name))
    for part10 in (build_sr(made), build_basic_text_sr(made)):
        assert dciodvfy(part10) == []
        assert "Left vestibular schwannoma" in dsrdump(part10)


@pytest.mark.parametrize("keyword", WITHOUT)
def test_an_attribute_that_the_hospital_left_out_is_empty(
    keyword: str, header: Callable[..., bytes], content: Make, dciodvfy: Errors, parsed: Parsed
) -> None:
    part10 = build_sr(content(reference=header(**{keyword: None})))
    assert dciodvfy(part10) == []
    assert not parsed(part10)[keyword].value


@pytest.mark.parametrize(("keyword", "value"), [("PatientSex", "U"), ("StudyTime", "25:61"), ("StudyDate", "2026")])
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_a_value_that_no_report_may_have_is_left_empty(
    keyword: str, value: str, header: Callable[..., bytes], content: Make, dciodvfy: Errors, parsed: Parsed
) -> None:
    part10 = build_sr(content(reference=header(**{keyword: value})))
    assert dciodvfy(part10) == []
    assert not parsed(part10)[keyword].value


def test_patient_and_study_are_the_hospitals_with_their_issuers(
    header: Callable[..., bytes], content: Make, dciodvfy: Errors, parsed: Parsed
) -> None:
    qualifiers, issuer = Dataset(), Dataset()
    qualifiers.UniversalEntityID, qualifiers.UniversalEntityIDType = "1.2.3.4", "ISO"
    issuer.LocalNamespaceEntityID = "RIS"
    reference = header(
        IssuerOfPatientID="CITY",
        IssuerOfPatientIDQualifiersSequence=[qualifiers],
        IssuerOfAccessionNumberSequence=[issuer],
        PatientID=" LDN-44 b",
        OtherPatientNames="Adebayo^Grace",
    )
    part10 = build_sr(content(reference=reference))
    sr, source = parsed(part10), parsed(reference)
    assert dciodvfy(part10) == []
    for keyword in (
        *("PatientName", "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "PatientBirthDate"),
        *("PatientSex", "OtherPatientNames", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID"),
        *("AccessionNumber", "IssuerOfAccessionNumberSequence", "StudyDescription", "ReferringPhysicianName"),
    ):
        assert sr[keyword] == source[keyword], keyword
    request = sr.ReferencedRequestSequence[0]
    assert request.AccessionNumber == source.AccessionNumber
    assert request.IssuerOfAccessionNumberSequence == source.IssuerOfAccessionNumberSequence
    assert request.RequestedProcedureID == "OR-123"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chrJapMulti.dcm", "やまだ^たろう"),
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrArab.dcm", "قباني^لنزار"),
        ("chrKoreanMulti.dcm", "김희중"),
    ],
)
def test_a_name_in_a_foreign_character_set_comes_back_in_unicode(
    name: str, expected: str, shipped: Callable[[str], bytes], content: Make, parsed: Parsed
) -> None:
    sr = parsed(build_sr(content(reference=shipped(name))))
    assert sr.SpecificCharacterSet == "ISO_IR 192"
    names = sr["PatientName"].value
    assert expected in (str(names) if sr["PatientName"].VM == 1 else [str(each) for each in names])


def test_the_tree_says_every_section_and_text(content: Make, parsed: Parsed) -> None:
    made = content()
    for part10 in (build_sr(made), build_basic_text_sr(made)):
        told = texts(parsed(part10))
        for section in sections(made):
            for paragraph in section.paragraphs:
                assert paragraph.text.replace("\n", "\r\n") in told
        assert {"Second-opinion report", "1234567, GMC", "Overread Reading Group"} <= set(told)


def test_text_of_any_script_is_written_without_loss(content: Make, parsed: Parsed, dciodvfy: Errors) -> None:
    words = "عقدة · गाँठ · 結節 · 결절 · узел · όζος · \\slash\\ · 😀"
    made = content()
    made = replace(made, opinion=replace(made.opinion, findings=words))
    part10 = build_sr(made)
    assert words in texts(parsed(part10))
    assert dciodvfy(part10) == []


@pytest.mark.parametrize(
    ("concordance", "prior"),
    [
        *product(Concordance, [None]),
        *product([Concordance.AGREE, Concordance.MINOR, Concordance.MAJOR], [PriorReport("Normal.")]),
    ],
)
def test_every_concordance_is_coded_and_said_in_words(
    concordance: Concordance, prior: PriorReport | None, content: Make, parsed: Parsed, dciodvfy: Errors
) -> None:
    made = content(prior_report=prior)
    made = replace(made, opinion=replace(made.opinion, concordance=concordance))
    enhanced, basic = build_sr(made), build_basic_text_sr(made)
    assert dciodvfy(enhanced) == dciodvfy(basic) == []
    names = [item.ConceptNameCodeSequence[0].CodeValue for item in items(parsed(enhanced))]
    assert names.count("CONCORDANCE") == 1
    assert ("SIGNIFICANCE" in names) is (concordance in {Concordance.MINOR, Concordance.MAJOR})
    assert any("first report" in text for text in texts(parsed(basic)))


def test_the_reader_verifies_with_name_number_and_a_time_that_has_an_offset(content: Make, parsed: Parsed) -> None:
    sr = parsed(build_sr(content()))
    (observer,) = sr.VerifyingObserverSequence
    assert observer.VerifyingObserverName == "Keller^Anna^Maria^Dr"
    assert observer.VerificationDateTime == "20261124140507+0100"
    assert observer.VerifyingObserverIdentificationCodeSequence[0].CodeValue == "GMC 1234567"
    assert sr.AuthorObserverSequence[0].PersonName == "Keller^Anna^Maria^Dr"


def test_the_first_reader_is_the_observer_of_the_first_report(content: Make, parsed: Parsed) -> None:
    sr = parsed(build_sr(content()))
    (section,) = [item for item in items(sr) if item.ConceptNameCodeSequence[0].CodeValue == "18834-2"]
    assert [str(item.PersonName) for item in section.ContentSequence if "PersonName" in item] == ["Dr J. Smith^"]


def test_times_are_in_the_zone_that_the_hospital_states(
    header: Callable[..., bytes], content: Make, parsed: Parsed
) -> None:
    sr = parsed(build_sr(content(reference=header(TimezoneOffsetFromUTC="-0500"))))
    assert (sr.ContentDate, sr.ContentTime, sr.TimezoneOffsetFromUTC) == ("20261124", "080507", "-0500")
    assert (sr.StudyDate, sr.StudyTime) == ("20261119", "081500")


def test_all_instances_are_evidence_and_those_of_another_study_are_other_evidence(
    content: Make, parsed: Parsed, dciodvfy: Errors
) -> None:
    made = content(images=500)
    other = InstanceRef("1.2.3.9", "1.2.3.9.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.3.9.1.1")
    part10 = build_sr(replace(made, evidence=(*made.evidence, other)))
    assert dciodvfy(part10) == []
    sr = parsed(part10)
    (study,) = sr.CurrentRequestedProcedureEvidenceSequence
    uids = [each.ReferencedSOPInstanceUID for each in study.ReferencedSeriesSequence[0].ReferencedSOPSequence]
    assert uids == [each.sop_uid for each in made.evidence]
    assert sr.PertinentOtherEvidenceSequence[0].StudyInstanceUID == "1.2.3.9"


def test_a_second_version_names_the_first(content: Make, parsed: Parsed, dciodvfy: Errors) -> None:
    first = InstanceRef(str(content().evidence[0].study_uid), "2.25.7", "1.2.840.10008.5.1.4.1.1.88.22", "2.25.8")
    part10 = build_sr(content(version=2, predecessor=first))
    sr = parsed(part10)
    assert dciodvfy(part10) == []
    (study,) = sr.PredecessorDocumentsSequence
    assert study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.8"
    assert sr.InstanceNumber == 2


def test_a_retry_makes_the_same_bytes(content: Make) -> None:
    assert build_sr(content()) == build_sr(content())
    assert build_basic_text_sr(content()) == build_basic_text_sr(content())


def test_basic_text_is_an_object_of_its_own(content: Make, parsed: Parsed) -> None:
    made = content()
    enhanced, basic = parsed(build_sr(made)), parsed(build_basic_text_sr(made))
    assert basic.SOPInstanceUID == basic_text_uid(made.uids) != enhanced.SOPInstanceUID
    assert {basic.SOPClassUID, enhanced.SOPClassUID} == {
        "1.2.840.10008.5.1.4.1.1.88.11",
        "1.2.840.10008.5.1.4.1.1.88.22",
    }
    assert not [item for item in items(basic) if item.ValueType == "CODE" and item.RelationshipType == "CONTAINS"]


def test_the_report_points_to_its_pdf(content: Make, parsed: Parsed) -> None:
    (rendering,) = parsed(build_sr(content())).ReferencedInstanceSequence
    assert rendering.ReferencedSOPInstanceUID == "2.25.1003"
    assert rendering.PurposeOfReferenceCodeSequence[0].CodeValue == "121332"


def test_the_digest_is_of_the_dataset_alone(content: Make) -> None:
    part10 = build_sr(content())
    assert dataset_digest(b"another preamble".ljust(128) + part10[128:]) == dataset_digest(part10)
    assert dataset_digest(part10[:-2] + b"!!") != dataset_digest(part10)


def test_long_and_odd_details_of_people_still_make_a_valid_report(
    content: Make, dciodvfy: Errors, parsed: Parsed
) -> None:
    made = content()
    signer = replace(made.signer, name="", organization="Institute \\ of " + "very " * 30, registration_number="9" * 40)
    signer = replace(signer, name="von und zu " + "Hohen" * 20, display_name="Dr " + "Long" * 30)
    made = replace(made, signer=signer, institution="A\\B", request=replace(made.request, subspecialty="x" * 90))
    part10 = build_sr(made)
    assert dciodvfy(part10) == []
    assert check_tid2000(parsed(part10)) == ()


def test_many_answers_and_series_are_valid(content: Make, dciodvfy: Errors) -> None:
    made = content(series=tuple(SeriesSummary("MR", f"Series {i}", i) for i in range(60)))
    answers = tuple(Answer(f"Question {i}?", "Yes.\n\nBut.") for i in range(50))
    made = replace(
        made,
        opinion=replace(made.opinion, answers=answers),
        request=replace(made.request, questions=tuple(each.question for each in answers)),
    )
    assert dciodvfy(build_sr(made)) == []


@pytest.mark.parametrize(
    "text", ["private \ue000", "half a pair \ud83d", "lost \ufffd", "bell \x07", "override \u202e"]
)
def test_text_that_cannot_be_carried_is_refused_and_named(text: str, content: Make) -> None:
    made = content()
    with pytest.raises(Unreportable, match=r"findings contains characters.*U\+"):
        build_sr(replace(made, opinion=replace(made.opinion, findings=text)))


def test_the_report_says_on_how_many_images_of_until_when_it_is_based(content: Make) -> None:
    """Images may come later: what was read must be told from what was not."""
    made = content()
    (said,) = [each for each in sections(made) if each.name is SectionName.RECEIVED]
    images = "1 image" if len(made.evidence) == 1 else f"{len(made.evidence)} images"
    assert said.paragraphs[0].text == f"Based on {images} received until {human_moment(made.received_until)}."
    assert said.paragraphs[0].text.encode() in build_sr(made)
    before = replace(made, received_until=None)
    assert not any("Based on" in each.text for section in sections(before) for each in section.paragraphs)
