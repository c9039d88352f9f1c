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


def test_a_name_that_cannot_be_decoded_is_refused(header: Callable[..., bytes]) -> None:
    reference = header(PatientName="Mueller^A").replace(b"Mueller", b"M\xfcllers")[:-1] + b" "
    with pytest.raises(Unreportable, match="Patient's Name in the images cannot be decoded"):
        patient_and_study(reference)


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
