"""What is read of an instance: every character set, and nothing that an odd value could break."""

import random

import pytest
from pydicom.dataset import Dataset

from config.text import charset, decode
from orthanc.errors import Unreadable
from orthanc.header import read_header

KANJI = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"


@pytest.mark.parametrize(
    ("declared", "value", "name"),
    [
        (b"ISO_IR 100", "Buc^Jérôme".encode("latin-1"), "Buc^Jérôme"),
        (b"ISO_IR 192", "Wang^XiaoDong=王^小東".encode(), "Wang^XiaoDong=王^小東"),
        (b"GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
        (b"ISO_IR 144", "Люкceмбypг".encode("iso8859-5"), "Люкceмбypг"),
        (b"\\ISO 2022 IR 87", KANJI, "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (b"\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"),
        (b"ISO 2022 IR 6\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1", "Zhang=张^小"),
        (b"ISO-IR 100", "Äneas".encode("latin-1"), "Äneas"),
        (b"", "Müller".encode(), "Müller"),
        (b"", "Müller".encode("latin-1"), "Müller"),
        (b"NOT A CHARSET", "Müller".encode(), "Müller"),
        (b"ISO_IR 192", b"M\xfcller", "M�ller"),
    ],
)
def test_a_name_is_read_in_its_character_set(declared, value, name):
    assert decode(value, charset(declared)) == name


def test_all_of_it_is_read(samples):
    header = read_header(samples.shipped("MR_small.dcm"))
    assert (header.patient_name, header.patient_id) == ("CompressedSamples^MR1", "4MR1")
    assert (header.modality, header.study_date, header.study_time) == ("MR", "20040826", "185059")
    assert (header.rows, header.columns, header.frames) == (64, 64, 1)
    assert header.transfer_syntax == "1.2.840.10008.1.2.1"
    assert header.sop_class_uid == "1.2.840.10008.5.1.4.1.1.4"


def test_what_had_been_ordered_is_read_from_every_item(samples):
    def item(step, procedure):
        made = Dataset()
        made.ScheduledProcedureStepID, made.RequestedProcedureID = step, procedure
        return made

    items = [item("S1", "R1"), item("", ""), item("S2", "")]
    said = {"PerformedProcedureStepStartDate": "20240105", "PerformedProcedureStepStartTime": "101530"}
    more = {"TimezoneOffsetFromUTC": "+0200", "StationName": "MR1", "BitsAllocated": 16}
    header = read_header(samples.made(RequestAttributesSequence=items, **said, **more))
    assert header.requests == (("S1", "R1"), ("S2", ""))
    assert (header.performed_date, header.performed_time) == ("20240105", "101530")
    assert (header.timezone, header.station, header.bits) == ("+0200", "MR1", 16)


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_the_encoding_makes_no_difference(samples, name):
    header = read_header(samples.shipped(name))
    assert (header.rows, header.columns, header.instance_number) == (64, 64, 1)
    assert header.sop_uid == "1.3.6.1.4.1.5962.1.1.4.1.1.20040826185059.5457"


@pytest.mark.parametrize(
    ("age", "born", "studied", "years"),
    [
        ("045Y", "", "", 45.0),
        ("018M", "", "", 1.5),
        ("000D", "", "", 0.0),
        ("000Y", "19800101", "20200101", pytest.approx(40, abs=0.01)),
        ("000Y", "", "", None),
        ("", "20200101", "20200701", pytest.approx(0.5, abs=0.01)),
        ("", "20300101", "20200101", None),
        ("45", "19801340", "20200101", None),
        ("-12Y", "", "", None),
    ],
)
def test_age(samples, age, born, studied, years):
    said = {"PatientAge": age, "PatientBirthDate": born, "StudyDate": studied}
    part10 = samples.made(**{keyword: samples.raw(keyword, text) for keyword, text in said.items()})
    assert read_header(part10).age_years == years


def test_odd_values_come_out_blank(samples):
    odd = {"InstanceNumber": "1A", "SeriesNumber": "99999999999999", "StudyDate": "20201399", "StudyTime": "noon"}
    odd |= {"NumberOfFrames": "-5"}
    header = read_header(samples.made(**{keyword: samples.raw(keyword, text) for keyword, text in odd.items()}))
    assert (header.instance_number, header.series_number) == (None, None)
    assert (header.study_date, header.study_time) == ("", "")
    assert header.frames == 1


def test_no_control_character_gets_through(samples):
    header = read_header(
        samples.made(
            StudyDescription=samples.raw("StudyDescription", "a\nb\0c\x1b[31md"),
            PatientName=samples.raw("PatientName", "Doe^\rJohn^^^"),
        )
    )
    assert header.study_description.isprintable()
    assert header.patient_name == "Doe^ John"


def test_the_body_part_of_an_enhanced_image_is_its_anatomic_region(samples):
    region, anatomy, shared = Dataset(), Dataset(), Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "12738006", "SCT", "Brain"
    anatomy.AnatomicRegionSequence = [region]
    shared.FrameAnatomySequence = [anatomy]
    assert read_header(samples.made(SharedFunctionalGroupsSequence=[shared])).body_part == "Brain"


@pytest.mark.parametrize("file", [b"", b"x" * 200, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\2\0\2\0UI"])
def test_what_is_no_dicom_is_unreadable(file):
    with pytest.raises(Unreadable):
        read_header(file)


def test_sequences_without_end_are_unreadable_rather_than_fatal(samples):
    nested = samples.made(1) + b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5000
    with pytest.raises(Unreadable):
        read_header(nested)


def test_deflated_files_are_not_inflated(samples):
    with pytest.raises(Unreadable):
        read_header(samples.shipped("image_dfl.dcm"))


def test_damage_anywhere_is_either_read_or_unreadable(samples):
    chance = random.Random(7)
    for name in ("CT_small.dcm", "MR_small_implicit.dcm", "reportsi.dcm", "SC_rgb_rle_2frame.dcm"):
        whole = samples.shipped(name)
        for _ in range(150):
            damaged = bytearray(whole[: chance.choice([len(whole), chance.randrange(132, len(whole))])])
            for _ in range(chance.randrange(1, 8)):
                damaged[chance.randrange(132, len(damaged))] = chance.randrange(256)
            try:
                read_header(bytes(damaged))
            except Unreadable:
                continue


def test_every_file_within_reach_is_read(samples):
    assert sum(1 for file in samples.good() if read_header(file.read_bytes())) >= 90
