"""The report as people read it, and the same PDF as a DICOM object."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset
from pypdf import PdfReader

from sr_reports.errors import Unreportable
from sr_reports.opinion import Answer, Concordance, Opinion, PriorReport, ReportContent, SeriesSummary
from sr_reports.pdf import build_pdf, encapsulate
from sr_reports.structured import build_sr, dataset_digest
from sr_reports.warm import warm_up
from sr_reports.wording import CONCORDANCE

Make = Callable[..., ReportContent]
Text = Callable[[bytes], str]
SENTENCE = "The mass widens the porus of the internal auditory canal and does not displace the brainstem. "


def test_everything_that_the_reader_must_know_is_printed(content: Make, pdf_text: Text) -> None:
    made = content()
    text = pdf_text(build_pdf(made))
    for expected in (
        *("Second-opinion report", "OR-123", "Neuroradiology", "signed 24 November 2026"),
        *(
            "Grace Okafor",
            "12 March 1961",
            "65 years at the examination",
            "Female",
            "LDN-44",
            "A2026-11873",
            "19 November 2026",
            "Erik Lindqvist",
        ),
        *("Chest PA", "Radiography, PA and lateral: 2 images", "City Hospital", "Second opinion before surgery."),
        *("Left vestibular schwannoma, 14 mm.", "Minor difference from the first report", "calls it a meningioma"),
        *("Is it growing?", "By 2 mm since 2024.", "ventricles normal", "MR in 6 months.", "probably meningioma"),
        *("Dr Anna Keller", "Consultant neuroradiologist", "GMC 1234567", "24 November 2026, 14:05 (UTC+01:00)"),
        *("based on the images", "2.25.1001", dataset_digest(build_sr(made)), "Page 1 of 1"),
    ):
        assert expected in text


def test_the_answer_comes_first(content: Make, pdf_text: Text) -> None:
    text = pdf_text(build_pdf(content()))
    places = [text.index(title) for title in ("Impression", "Answers to the questions", "Findings", "First report")]
    assert places == sorted(places)


@pytest.mark.parametrize("concordance", Concordance)
def test_concordance_is_said_in_words(concordance: Concordance, content: Make, pdf_text: Text) -> None:
    made = content(prior_report=None)
    made = replace(made, opinion=replace(made.opinion, concordance=concordance))
    assert CONCORDANCE[concordance] in pdf_text(build_pdf(made))


def test_it_is_archivable_and_accessible(content: Make) -> None:
    reader = PdfReader(BytesIO(build_pdf(content())))
    catalog = reader.root_object
    xmp = catalog["/Metadata"].get_object().get_data().decode()  # type: ignore[attr-defined]
    for claim in ("<pdfaid:part>2<", "<pdfaid:conformance>A<", "<pdfuaid:part>1<"):
        assert claim in xmp
    assert catalog["/MarkInfo"]["/Marked"]  # type: ignore[index]
    assert catalog["/Lang"] == "en"
    assert "/StructTreeRoot" in catalog
    assert reader.metadata is not None
    assert reader.metadata.title == "Second-opinion report OR-123"
    assert reader.metadata.author == "Dr Anna Keller"


def test_every_page_of_a_long_report_says_whose_it_is(content: Make, pdf_text: Text) -> None:
    made = content(
        series=tuple(SeriesSummary("MR", f"Series number {i}", 1000 + i) for i in range(40)),
        prior_report=PriorReport("\n\n".join(f"{i} {SENTENCE * 3}" for i in range(30))),
    )
    long = "\n\n".join([SENTENCE * 8, "- one\n- two"] * 8)
    made = replace(
        made,
        opinion=replace(made.opinion, findings=long),
        request=replace(made.request, history=long, reason=SENTENCE * 5),
    )
    pages = PdfReader(BytesIO(build_pdf(made))).pages
    assert len(pages) > 3
    for number, page in enumerate(pages, start=1):
        text = page.extract_text()
        assert f"Page {number} of {len(pages)}" in text
        assert {"Grace Okafor", "LDN-44", "OR-123"} <= {
            each for each in ("Grace Okafor", "LDN-44", "OR-123") if each in text
        }
    text = pdf_text(build_pdf(made))
    assert "1,039" in text
    assert "Shortened here; the structured report has the whole text." in text


@pytest.mark.parametrize(
    "name",
    [
        "حسن^فاطمة",
        "कुमार^आशा",
        "Wang^XiaoDong=王^小东",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "Hong^Gildong=홍^길동",
        "Παπαδόπουλος^Ελένη",
        "Люкceмбypг^Яна",
        "שרון^דבורה",
        "ศรีสุข^มาลี",
        "Äneas^Øyvind Ðœ ńžț",
    ],
)
def test_names_of_the_world_are_printed(name: str, header: Callable[..., bytes], content: Make) -> None:
    assert build_pdf(content(reference=header(PatientName=name, ReferringPhysicianName=name))).startswith(b"%PDF")


def test_the_ideographic_name_stands_before_the_latin_one(
    header: Callable[..., bytes], content: Make, pdf_text: Text
) -> None:
    text = pdf_text(build_pdf(content(reference=header(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう"))))
    assert "山田 太郎 (Tarou Yamada)" in text


def test_right_to_left_text_is_extracted_in_reading_order(content: Make, pdf_text: Text) -> None:
    made = content()
    made = replace(made, opinion=replace(made.opinion, findings="لا يوجد استسقاء دماغي"))
    text = pdf_text(build_pdf(made))
    assert "استسقاء" in text


def test_user_text_is_never_markup(content: Make, pdf_text: Text) -> None:
    hostile = '#panic("x") #read("/etc/passwd") *bold* $x^2$ <label> @ref = Title \\ // comment " \' `raw`'
    made = content()
    made = replace(made, opinion=replace(made.opinion, findings=hostile, impression=hostile))
    assert pdf_text(build_pdf(made)).count('#panic("x") #read("/etc/passwd") *bold*') == 2


def test_a_letter_without_a_glyph_is_refused_and_named(content: Make) -> None:
    made = content()
    unheard = "\U00030123"  # Han, extension G
    made = replace(made, opinion=replace(made.opinion, findings=f"a {unheard} b"))
    with pytest.raises(Unreportable, match=f"No font.*{unheard}"):
        build_pdf(made)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("\uf0b7 pain", "pain"),
        ("dose \u202e21 mg", "dose 21 mg"),
        ("lost \ufffd", "lost □"),
        ("private \ue000", "private □"),
        ("Han \U00030123", "Han □"),
        ("family \U0001f468\u200d\U0001f469\u200d\U0001f467", "family [man][woman][girl]"),
    ],
)
def test_what_others_wrote_is_printed_as_far_as_it_can_be_and_stays_in_the_sr(
    text: str, printed: str, content: Make, pdf_text: Text, dciodvfy: Callable[[bytes], list[str]]
) -> None:
    """A bullet of Word, a lost letter or a family of pictographs once kept a case from ever being signed."""
    made = content()
    request = replace(made.request, history=text, reason=text, requested_by=text, questions=())
    made = replace(made, request=request, prior_report=PriorReport(text, text), series=(SeriesSummary("CT", text, 2),))
    sr = build_sr(made)
    assert dciodvfy(sr) == []
    assert text.encode() in sr
    told = pdf_text(build_pdf(made, sr=sr))
    assert told.count(printed) >= 4
    assert ("cannot be printed and are shown as □" in told) is ("□" in printed)


def test_a_pictograph_without_a_glyph_is_named_in_words(content: Make, pdf_text: Text) -> None:
    made = content(request=replace(content().request, history="I worry \U0001f9e0 a lot"))
    assert "I worry [brain] a lot" in pdf_text(build_pdf(made))


def test_a_very_long_word_stays_on_the_paper(content: Make, tmp_path: Path) -> None:
    made = content()
    made = replace(made, opinion=replace(made.opinion, findings="W" * 400 + " end"))
    (tmp_path / "wide.pdf").write_bytes(build_pdf(made))
    boxes = subprocess.run(
        ["pdftotext", "-bbox", tmp_path / "wide.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    rights = [float(part.split('"')[0]) for part in boxes.split('xMax="')[1:]]
    assert max(rights) < 595


def test_a_draft_may_lack_anything_and_says_what_it_is(content: Make, pdf_text: Text) -> None:
    made = content(opinion=Opinion(answers=(Answer("Why?", ""),)))
    text = pdf_text(build_pdf(made, draft=True))
    assert "Draft – not signed. Not for clinical use." in text
    assert {"Not written yet.", "Not answered yet."} <= {
        each for each in ("Not written yet.", "Not answered yet.") if each in text
    }
    assert "Signed electronically" not in text
    assert "2.25.1001" not in text


def test_a_signed_report_may_lack_nothing(content: Make) -> None:
    with pytest.raises(Unreportable, match="The impression is empty"):
        build_pdf(content(opinion=Opinion()))


def test_a_retry_makes_the_same_bytes(content: Make) -> None:
    made = content()
    assert build_pdf(made) == build_pdf(made, sr=build_sr(made))
    assert encapsulate(made, b"%PDF-1.7") == encapsulate(made, b"%PDF-1.7")


def test_a_second_version_says_so(content: Make, pdf_text: Text) -> None:
    made = content(version=2, predecessor=content().evidence[0])
    assert "version 2, replaces version 1" in pdf_text(build_pdf(made))


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "chrH32.dcm", "chrArab.dcm", "rtdose.dcm"])
def test_dciodvfy_finds_no_error_in_the_encapsulated_pdf(
    name: str, shipped: Callable[[str], bytes], content: Make, dciodvfy: Callable[[bytes], list[str]]
) -> None:
    made = content(reference=shipped(name))
    assert dciodvfy(encapsulate(made, build_pdf(made))) == []


@pytest.mark.parametrize("pdf", [b"%PDF-1.7 odd", b"%PDF-1.7 even"])
def test_the_pdf_comes_out_as_it_went_in(pdf: bytes, content: Make, parsed: Callable[[bytes], Dataset]) -> None:
    dataset = parsed(encapsulate(content(), pdf))
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == pdf
    assert len(dataset.EncapsulatedDocument) % 2 == 0


def test_pdf_and_sr_are_in_one_study_and_two_series_and_name_each_other(
    content: Make, parsed: Callable[[bytes], Dataset]
) -> None:
    made = content()
    sr, pdf = parsed(build_sr(made)), parsed(encapsulate(made, build_pdf(made)))
    assert sr.StudyInstanceUID == pdf.StudyInstanceUID
    assert sr.SeriesInstanceUID != pdf.SeriesInstanceUID
    assert pdf.SourceInstanceSequence[0].ReferencedSOPInstanceUID == sr.SOPInstanceUID
    assert sr.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == pdf.SOPInstanceUID
    assert pdf.BurnedInAnnotation == "YES"


def test_the_fonts_that_names_need_are_installed() -> None:
    assert warm_up() == ()
