"""The file format, in and out."""

from io import BytesIO

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from scp.part10 import NotDicom, file_head, split_part10


def test_the_same_object_always_gives_the_same_file_and_pydicom_reads_it(made):
    dataset = made.dataset_of(made.object(SOPInstanceUID="1.2.3"))
    file = file_head(made.CT, "1.2.3", ExplicitVRLittleEndian) + dataset
    assert file == file_head(made.CT, "1.2.3", ExplicitVRLittleEndian) + dataset
    read = pydicom.dcmread(BytesIO(file))
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID == "1.2.3"
    assert read.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert read.preamble == bytes(128)


def test_dcmtk_finds_nothing_to_complain_about_in_our_file_meta(made, tmp_path):
    dataset = made.dataset_of(made.object(SOPInstanceUID="1.2.3"))
    path = tmp_path / "file.dcm"
    path.write_bytes(file_head(made.CT, "1.2.3", ExplicitVRLittleEndian) + dataset)
    dumped = made.dcmtk("dcmdump", path)
    assert dumped.returncode == 0
    assert dumped.stderr == ""


def test_splitting_gives_back_what_was_put_together(made):
    dataset = made.dataset_of(made.object())
    transfer_syntax, rest = split_part10(file_head(made.CT, "1.2.3", JPEGBaseline8Bit) + dataset)
    assert transfer_syntax == JPEGBaseline8Bit
    assert bytes(rest) == dataset


def test_a_wrong_group_length_does_not_matter(made):
    good = made.object()
    assert good[132:140] == b"\2\0\0\0UL\4\0"
    wrong = good[:140] + b"\7\0\0\0" + good[144:]
    assert split_part10(wrong)[1] == split_part10(good)[1]


@pytest.mark.parametrize(
    "file",
    [b"", b"hello", bytes(132), bytes(128) + b"DICM", b"%PDF-1.7" + bytes(500), bytes(128) + b"DICM" + b"\2\0\1"],
)
def test_what_is_not_dicom_is_said_to_be_none(file):
    with pytest.raises(NotDicom):
        split_part10(file)


def test_a_file_cut_within_its_head_is_no_file_or_has_no_data(made):
    head = file_head(made.CT, "1.2.3", ExplicitVRLittleEndian)
    for size in range(len(head)):
        try:
            assert len(split_part10(head[:size])[1]) == 0
        except NotDicom:
            continue
