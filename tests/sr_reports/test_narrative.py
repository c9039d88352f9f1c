"""Any Structured Report becomes words, tables and pictures; nothing that is in one makes it fail or run away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage

from sr_reports import content_items
from sr_reports.content_items import ImageRef
from sr_reports.narrative import Block, Form, Narrative, Row, Unshowable, narrate
from sr_reports.opinion import ReportContent
from sr_reports.structured import build_sr


def code(meaning: str, value: str = "1", scheme: str = "99TEST") -> Dataset:
    coded = Dataset()
    coded.CodeValue, coded.CodingSchemeDesignator, coded.CodeMeaning = value, scheme, meaning
    return coded


def item(kind: str, name: str = "", *below: Dataset, **values: object) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = "CONTAINS", kind
    if name:
        made.ConceptNameCodeSequence = Sequence([code(name)])
    for keyword, value in values.items():
        setattr(made, keyword, value)
    if below:
        made.ContentSequence = Sequence(below)
    return made


def number(name: str, value: str, unit: str, *below: Dataset) -> Dataset:
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, Sequence([code(unit, unit, "UCUM")])
    return item("NUM", name, *below, MeasuredValueSequence=Sequence([measured]))


def image(sop_uid: str, *frames: int) -> Dataset:
    referenced = Dataset()
    referenced.ReferencedSOPClassUID, referenced.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", sop_uid
    if frames:
        referenced.ReferencedFrameNumber = list(frames)
    return item("IMAGE", "Source", ReferencedSOPSequence=Sequence([referenced]))


def report(*below: Dataset, title: str = "Report", sop_class: str = ComprehensiveSRStorage, **values: object) -> bytes:
    made = item("CONTAINER", title, *below)
    made.SOPClassUID, made.SOPInstanceUID, made.PatientName = sop_class, "1.2.3", "Sample^Pat"
    made.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in values.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = sop_class, "1.2.3"
    out = BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def everything(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        yield block
        yield from everything(block.blocks)


def words(narrative: Narrative) -> str:
    return "\n".join(f"{block.title}|{block.text}|{block.rows}" for block in everything(narrative.blocks))


def test_our_own_report_is_read_back(content: Callable[..., ReportContent]) -> None:
    told = narrate(build_sr(content()))
    assert told.title == "Diagnostic Imaging Report"
    assert "Left vestibular schwannoma, 14 mm." in words(told)
    assert any(row.name == "Verified by" and "Anna Maria Keller" in row.value for row in told.facts)


@pytest.mark.parametrize(("name", "said"), [("reportsi.dcm", "Enter text"), ("test-SR.dcm", "Inferred Sample Text")])
def test_reports_of_others_are_read(shipped: Callable[[str], bytes], name: str, said: str) -> None:
    told = narrate(shipped(name))
    assert said in words(told)
    assert told.shortened is False


def test_measurements_stand_in_one_table_with_unit_and_qualifiers() -> None:
    method = item("CODE", "Derivation", ConceptCodeSequence=Sequence([code("Mean")]))
    group = item(
        "CONTAINER",
        "Measurement Group",
        item("TEXT", "Tracking Identifier", TextValue="Lesion 1"),
        number("Long axis", "17.5", "mm"),
        number("Density", "42", "[hnsf'U]", method),
        image("1.2.9", 3),
    )
    (section,) = narrate(report(group)).blocks
    assert [block.form for block in section.blocks] == [Form.TEXT, Form.MEASUREMENTS, Form.PICTURES]
    assert section.blocks[1].rows == (
        Row("Long axis", "17.5", "mm"),
        Row("Density", "42", "[hnsf'U]", "Derivation: Mean"),
    )
    assert section.blocks[2].images == (ImageRef("1.2.9", (3,)),)


def test_running_text_reads_as_one_sentence() -> None:
    parts = item("TEXT", TextValue="A mass of"), number("Diameter", "3", "cm"), item("TEXT", TextValue=", smooth.")
    (section,) = narrate(report(item("CONTAINER", "Finding", *parts, ContinuityOfContent="CONTINUOUS"))).blocks
    assert section.blocks[0].text == "A mass of 3 cm, smooth."


def test_a_key_object_selection_shows_its_images() -> None:
    remark = item("TEXT", "Key Object Description", TextValue="For the surgeon")
    told = narrate(report(remark, image("1.2.9"), title="Of Interest", sop_class=KeyObjectSelectionDocumentStorage))
    assert (told.title, told.blocks[0].text) == ("Of Interest", "For the surgeon")
    assert told.blocks[1].images == (ImageRef("1.2.9", ()),)


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("ISO_IR 192", "Без особенностей · 正常 · طبيعي"),
        ("\\ISO 2022 IR 87", "異常なし"),
        ("\\ISO 2022 IR 149", "이상 없음"),
        ("ISO_IR 144", "Без особенностей"),
        ("GB18030", "未见异常"),
    ],
)
def test_any_script_is_read_in_its_own_character_set(term: str, text: str) -> None:
    finding = item("TEXT", "Finding", TextValue=text)
    assert text in words(narrate(report(finding, SpecificCharacterSet=term.split("\\"))))


def test_escape_sequences_of_simplified_chinese_do_not_stay_in_the_text() -> None:
    """pydicom neither writes nor removes those of ISO 2022 IR 58."""
    written = report(item("TEXT", "Finding", TextValue="x" * 12), SpecificCharacterSet=["", "ISO 2022 IR 58"])
    told = narrate(written.replace(b"x" * 12, b"\x1b$)A" + "未见异常".encode("gb2312")))
    assert any(block.text == "未见异常" for block in everything(told.blocks))


def test_what_points_to_another_item_says_so() -> None:
    reference = Dataset()
    reference.RelationshipType, reference.ReferencedContentItemIdentifier = "INFERRED FROM", [1, 2]
    assert "Item 1.2 of this report" in words(narrate(report(item("TEXT", "Finding", reference, TextValue="Mass"))))


def test_an_unknown_kind_of_content_is_named_and_the_rest_is_read() -> None:
    told = narrate(report(item("HOLOGRAM", "Finding"), item("TEXT", "Next", TextValue="Still here")))
    assert "not shown here (HOLOGRAM)" in words(told)
    assert "Still here" in words(told)


def test_a_tree_that_is_too_deep_is_cut_and_says_so() -> None:
    inner = item("TEXT", "Bottom", TextValue="deep down")
    for _ in range(30):
        inner = item("CONTAINER", "Level", inner)
    told = narrate(report(inner))
    assert told.shortened
    assert "deep down" not in words(told)


def test_a_tree_without_end_takes_no_longer_than_its_bound() -> None:
    told = narrate(report(*(item("TEXT", "Finding", TextValue="x") for _ in range(content_items.MOST_ITEMS + 10))))
    assert told.shortened
    assert len(list(everything(told.blocks))) < content_items.MOST_ITEMS


def test_text_without_end_is_cut_and_says_so() -> None:
    told = narrate(report(*(item("TEXT", "Finding", TextValue="x" * 65_000) for _ in range(10))))
    assert told.shortened
    assert len(words(told)) < content_items.MOST_CHARACTERS + 10_000


def nested(levels: int) -> bytes:
    """A report in whose tree `levels` containers stand within each other, written without a recursion of our own."""
    whole = report(item("TEXT", "Finding", TextValue="x"))
    at = whole.index(b"\x40\x00\x30\xa7SQ")
    opened = b"\x40\x00\x30\xa7SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    return whole[:at] + opened * levels + closed * levels


@pytest.mark.parametrize("levels", [40, 5_000])
def test_hostile_nesting_never_does_more_than_say_that_it_cannot_be_read(levels: int) -> None:
    try:
        assert narrate(nested(levels)).shortened
    except Unshowable as error:
        assert "cannot be read" in str(error)


def test_no_cut_of_a_report_does_more_than_say_that_it_cannot_be_read(shipped: Callable[[str], bytes]) -> None:
    whole = shipped("test-SR.dcm")
    for length in range(0, len(whole), 37):
        try:
            narrate(whole[:length])
        except Unshowable as error:
            assert "cannot be read" in str(error)


def test_no_value_of_the_wrong_kind_stops_the_rest() -> None:
    odd = dcmread(BytesIO(report(number("Size", "1", "mm"), item("TEXT", "Next", TextValue="Still here"))))
    odd.ContentSequence[0].MeasuredValueSequence = Sequence([])
    out = BytesIO()
    odd.save_as(out)
    assert "No value" in words(narrate(out.getvalue()))
    assert "Still here" in words(narrate(out.getvalue()))
