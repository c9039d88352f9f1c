"""The hospital's header as the return address of a report."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom import Dataset

from sr_reports.errors import Unreportable
from sr_reports.opinion import ReportContent
from sr_reports.reference import header_of, patient_and_study
from sr_reports.structured import build_sr


@pytest.mark.parametrize("name", ["CT_small.dcm", "chrH31.dcm", "ExplVR_BigEnd.dcm", "chrJapMultiExplicitIR6.dcm"])
def test_the_small_header_serves_as_well_as_the_whole_instance(
    name: str, shipped: Callable[[str], bytes], content: Callable[..., ReportContent]
) -> None:
    whole = shipped(name)
    header = header_of(whole)
    assert len(header) < 2000
    assert header_of(header) == header
    assert build_sr(content(reference=header)) == build_sr(content(reference=whole))


def test_a_file_cut_before_its_pixels_serves_too(shipped: Callable[[str], bytes]) -> None:
    whole = shipped("CT_small.dcm")
    assert patient_and_study(whole[: whole.index(b"\xe0\x7f\x10\x00")]) == patient_and_study(whole)


@pytest.mark.parametrize("broken", [b"", b"x" * 500, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 300])
def test_what_is_no_instance_is_refused(broken: bytes) -> None:
    with pytest.raises(Unreportable):
        patient_and_study(broken)


def test_a_name_that_cannot_be_decoded_is_kept_with_a_sign(header: Callable[..., bytes]) -> None:
    """It once kept every case with such a header from being signed."""
    reference = header(PatientName="Mueller^A").replace(b"Mueller", b"M\xfcllers")[:-1] + b" "
    assert str(patient_and_study(reference).PatientName) == "M\ufffdllers^A"


@pytest.mark.parametrize(
    ("terms", "value", "name"),
    [
        ("\\ISO 2022 IR 58", b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"),
        ("ISO 2022 IR 58", b"\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab", "王^小东"),
        ("ISO_IR 100\\ISO 2022 IR 58", b"M\xfcller=\x1b$)A\xcd\xf5", "Müller=王"),
        ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田"),
        ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3", "Hong^Gildong=洪"),
        ("\\ISO 2022 IR 87\\ISO 2022 IR 159", b"A^B=\x1b$(D\x30\x21\x1b(B", "A^B=丂"),
        ("GB2312", b"\xcd\xf5", "王"),
    ],
)
def test_escape_sequences_are_read_and_never_copied(
    header: Callable[..., bytes], terms: str, value: bytes, name: str
) -> None:
    """The report of a Chinese patient once had "$)A" printed in the name."""
    value += b" " * (len(value) % 2)
    blank = "x" * len(value)
    reference = header(PatientName=blank, SpecificCharacterSet=terms.split("\\")).replace(blank.encode(), value)
    assert str(patient_and_study(reference).PatientName) == name


def test_a_description_that_cannot_be_decoded_is_left_out(header: Callable[..., bytes]) -> None:
    assert "StudyDescription" not in patient_and_study(header().replace(b"Chest PA", b"Ch\xe9st PA"))


def test_incomplete_codes_and_empty_sequences_are_left_out(header: Callable[..., bytes]) -> None:
    nameless = Dataset()
    nameless.CodeValue, nameless.CodeMeaning = "1", "Chest"
    copied = patient_and_study(header(ProcedureCodeSequence=[nameless], OtherPatientIDsSequence=[]))
    assert "ProcedureCodeSequence" not in copied
    assert "OtherPatientIDsSequence" not in copied


def test_nothing_but_patient_and_study_is_copied(shipped: Callable[[str], bytes]) -> None:
    copied = patient_and_study(shipped("CT_small.dcm"))
    assert {"SeriesInstanceUID", "Modality", "PixelData", "KVP", "Manufacturer"}.isdisjoint(copied.dir())
    assert not [element for element in copied if element.tag.is_private]
