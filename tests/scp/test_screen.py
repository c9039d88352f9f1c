"""What may pass to a parser, and what may not."""

import contextlib
import csv
import random
import struct
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from scp.reasons import REASONS, Reason, Unacceptable
from scp.screen import MAX_DEPTH, MAX_ELEMENTS, NotDicom, Screening, screen, split_part10

UNDEFINED = b"\xff\xff\xff\xff"
ITEM_END, SEQUENCE_END = b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
SHARED = Path("/work/shared/data/bad")
PYDICOM_FILES = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))
NOT_SENDABLE = {
    "SC_rgb_jpeg.dcm": Reason.MALFORMED,  # its data set is not in its transfer syntax
    "MR_truncated.dcm": Reason.TRUNCATED,
    "emri_small_jpeg_2k_lossless_too_short.dcm": Reason.TRUNCATED,
    "rtplan_truncated.dcm": Reason.TRUNCATED,
    "image_dfl.dcm": Reason.DEFLATED,
}
"""Files of pydicom that name themselves and yet must not be kept."""


def reason_for(dataset: bytes, syntax: str = ExplicitVRLittleEndian) -> Reason | None:
    try:
        screen(dataset, syntax)
    except Unacceptable as error:
        return error.reason
    return None


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_an_ordinary_object_passes_and_names_itself(made, syntax):
    part10 = made.object(syntax=syntax)
    expected = pydicom.dcmread(pydicom.filebase.DicomBytesIO(part10))
    transfer_syntax, dataset = split_part10(part10)
    found = screen(dataset, transfer_syntax)
    assert found.sop_class_uid == expected.SOPClassUID
    assert found.sop_uid == expected.SOPInstanceUID
    assert found.study_uid == expected.StudyInstanceUID
    assert found.series_uid == expected.SeriesInstanceUID


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless, RLELossless, "1.2.840.10008.1.2.4.999"])
def test_encapsulated_pixel_data_pass_in_known_and_future_syntaxes(made, syntax):
    assert reason_for(made.dataset_of(made.compressed(syntax)), syntax) is None


@pytest.mark.parametrize("path", PYDICOM_FILES, ids=lambda path: path.name)
def test_pydicoms_own_files_pass_if_they_name_themselves(path):
    try:
        transfer_syntax, dataset = split_part10(path.read_bytes())
    except NotDicom:
        return
    reason = reason_for(bytes(dataset), transfer_syntax)
    if path.name in NOT_SENDABLE:
        assert reason is NOT_SENDABLE[path.name]
        return
    expected = pydicom.dcmread(path, stop_before_pixels=True)
    if "DirectoryRecordSequence" in expected:
        assert reason is Reason.DIRECTORY
    elif all(expected.get(name) for name in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")):
        assert reason is None
    else:
        assert reason is Reason.MISSING_UID


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_cut_at_any_byte_within_an_element_is_noticed(made, syntax):
    part10 = made.object(syntax=syntax)
    data = made.dataset_of(part10)
    ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(part10))
    little, implicit = ds.original_encoding[1], ds.original_encoding[0]
    whole = set()
    for tag in list(ds.keys())[::-1]:  # what is left after the last elements are gone is complete in itself
        out = pydicom.filebase.DicomBytesIO()
        out.is_little_endian, out.is_implicit_VR = little, implicit
        pydicom.filewriter.write_dataset(out, ds)
        whole.add(out.tell())
        del ds[tag]
        if tag <= 0x0020000E:
            break
    assert {size for size in range(len(data) + 1) if reason_for(data[:size], syntax) is None} == whole


def test_a_cut_at_any_byte_of_encapsulated_pixel_data_is_noticed(made):
    data = made.dataset_of(made.compressed(RLELossless))
    start = data.rindex(b"\xe0\x7f\x10\x00OB")
    passing = [size for size in range(start + 1, len(data)) if reason_for(data[:size], RLELossless) is None]
    assert passing == []


def undefined_sequences(depth: int) -> bytes:
    head = b"\x40\x00\x30\xa7SQ\0\0" + UNDEFINED + b"\xfe\xff\x00\xe0" + UNDEFINED
    return head * depth + (ITEM_END + SEQUENCE_END) * depth


def defined_sequences(depth: int, head: bytes) -> bytes:
    data = b""
    for _ in range(depth):
        item = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(data)) + data
        data = head + struct.pack("<L", len(item)) + item
    return data


def unknown_sequences(depth: int) -> bytes:
    """UN of undefined length: within, everything is implicit little endian."""
    implicit = b"\x40\x00\x30\xa7" + UNDEFINED + b"\xfe\xff\x00\xe0" + UNDEFINED
    outer = b"\x40\x00\x30\xa7UN\0\0" + UNDEFINED + b"\xfe\xff\x00\xe0" + UNDEFINED
    return outer + implicit * (depth - 1) + (ITEM_END + SEQUENCE_END) * depth


NESTINGS = {
    "explicit, undefined length": (ExplicitVRLittleEndian, undefined_sequences),
    "explicit, defined length": (
        ExplicitVRLittleEndian,
        lambda depth: defined_sequences(depth, b"\x40\x00\x30\xa7SQ\0\0"),
    ),
    "unknown VR, undefined length": (ExplicitVRLittleEndian, unknown_sequences),
    "implicit, defined length": (ImplicitVRLittleEndian, lambda depth: defined_sequences(depth, b"\x40\x00\x30\xa7")),
    "implicit, private": (ImplicitVRLittleEndian, lambda depth: defined_sequences(depth, b"\x29\x10\x10\x10")),
}


@pytest.mark.parametrize("kind", NESTINGS)
def test_sequences_may_be_nested_to_the_limit_and_not_beyond(made, kind):
    syntax, nest = NESTINGS[kind]
    identity = made.dataset_of(made.object(syntax=syntax, pixels=0))
    assert reason_for(identity + nest(MAX_DEPTH), syntax) is None
    assert reason_for(identity + nest(MAX_DEPTH + 1), syntax) is Reason.TOO_DEEP
    assert reason_for(identity + nest(20_000), syntax) in {Reason.TOO_DEEP, Reason.MALFORMED}


def test_pixels_that_look_like_an_item_are_no_sequence(made):
    pixels = b"\xfe\xff\x00\xe0" * 16
    assert reason_for(made.dataset_of(made.object(syntax=ImplicitVRLittleEndian, PixelData=pixels))) is not None
    data = made.dataset_of(made.object(syntax=ImplicitVRLittleEndian, PixelData=pixels))
    assert reason_for(data, ImplicitVRLittleEndian) is None


def test_more_elements_than_anybody_needs_are_refused(made):
    data = made.dataset_of(made.object(pixels=0)) + made.element(0x00290011, b"") * MAX_ELEMENTS
    assert reason_for(data) is Reason.TOO_MANY


@pytest.mark.parametrize(
    ("what", "tail"),
    [
        ("an item that overruns its sequence", b"\x40\0\x30\xa7SQ\0\0\x08\0\0\0\xfe\xff\x00\xe0\x08\0\0\0" + bytes(64)),
        ("an end of item where no item is", ITEM_END),
        ("an end of sequence where none is", SEQUENCE_END),
        ("undefined length of a text", b"\x40\0\x30\xa7UT\0\0" + UNDEFINED),
        ("a value representation of signs", b"\x40\0\x30\xa7?!\0\0" + bytes(8)),
        (
            "an element where an item must be",
            b"\x40\0\x30\xa7SQ\0\0" + UNDEFINED + b"\x08\0\x05\0CS\0\0" + SEQUENCE_END,
        ),
    ],
)
def test_what_does_not_follow_its_syntax_is_refused(made, what, tail):
    assert reason_for(made.dataset_of(made.object(pixels=0)) + tail) is Reason.MALFORMED


def test_values_beyond_the_end_are_refused(made):
    tail = b"\xe0\x7f\x10\x00OW\0\0\xfe\xff\xff\xff" + bytes(100)
    assert reason_for(made.dataset_of(made.object(pixels=0)) + tail) is Reason.TRUNCATED


def test_zeros_at_the_end_are_padding_and_other_bytes_are_not(made):
    data = made.dataset_of(made.object())
    assert reason_for(data + bytes(2048)) is None
    assert reason_for(data + bytes(2047) + b"\1") is not None


@pytest.mark.parametrize(
    ("group", "reason"), [(0x0000, Reason.META_INSIDE), (0x0002, Reason.META_INSIDE), (0x0004, Reason.DIRECTORY)]
)
def test_groups_that_parsers_take_for_something_else_are_refused(made, group, reason):
    first = made.element(group << 16 | 0x10, b"1.2.840.10008.1.2\0", b"UI")
    assert reason_for(first + made.dataset_of(made.object())) is reason


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_each_of_the_four_uids_must_be_there_once(made, keyword):
    tag = pydicom.datadict.tag_for_keyword(keyword)
    data = made.dataset_of(made.object())
    at = data.index(made.element(tag, b"", b"UI")[:6])
    size = 8 + struct.unpack_from("<H", data, at + 6)[0]
    assert reason_for(data[:at] + data[at + size :]) is Reason.MISSING_UID
    assert reason_for(data[:at] + made.element(tag, b"", b"UI") + data[at + size :]) is Reason.MISSING_UID
    assert reason_for(data + made.element(tag, b"1.2.3\0", b"UI")) is Reason.TWO_UIDS


@pytest.mark.parametrize(
    "uid",
    [b"1.02.3", b"1..2", b".1", b"1.", b"1.2a", b"1.2\\1.3", b"../1", b"1.2\0.3\0", b" 1.2", b"1." + b"2" * 63]
    + ["１.２".encode(), b"1.2%2e3"],
)
def test_uids_that_are_not_written_as_dicom_requires_are_refused(made, uid):
    data = made.dataset_of(made.object())
    old = data[: data.index(b"\x08\x00\x18\x00")]
    study = data[data.index(b"\x08\x00\x60\x00") :]
    assert reason_for(old + made.element(0x00080018, uid, b"UI") + study) is Reason.BAD_UID
    assert reason_for(old + made.element(0x00080018, b"1.2.3 ", b"UI") + study) is None  # a common wrong padding


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [
        ("1.2.840.10008.1.2.1.99", Reason.DEFLATED),
        ("1.2.840.10008.1.2.4.95", Reason.DEFLATED),
        ("1.2.840.113619.5.2", Reason.UNKNOWN_SYNTAX),
        ("1.2.840.10008.1.2.6.2", Reason.UNKNOWN_SYNTAX),
        ("", Reason.UNKNOWN_SYNTAX),
    ],
)
def test_syntaxes_that_we_do_not_read_are_refused(made, syntax, reason):
    assert reason_for(made.dataset_of(made.object()), syntax) is reason


def test_whatever_the_bytes_nothing_but_a_refusal_is_raised(made):
    chance = random.Random(20)
    data = bytearray(made.dataset_of(made.object()))
    for _ in range(3000):
        at, old = chance.randrange(len(data)), None
        old, data[at] = data[at], chance.randrange(256)
        for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian):
            reason_for(bytes(data), syntax)
        if chance.random() < 0.9:
            data[at] = old


def test_every_reason_has_a_status_of_failure_and_a_sentence_that_fits_error_comment():
    assert set(REASONS) == set(Reason)
    statuses = [status for status, _ in REASONS.values()]
    assert len(set(statuses)) == len(statuses)
    assert all(0xA900 <= status <= 0xA9FF or 0xC000 <= status <= 0xCFFF for status in statuses)
    assert all(len(sentence) <= 64 for _, sentence in REASONS.values())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of hostile files is not on this machine")
def test_hostile_files_are_refused_where_their_index_says_so():
    rows = csv.DictReader((SHARED / "INDEX.csv").read_text().splitlines())
    for row in rows:
        if not row["path"].endswith(".dcm"):
            continue
        refused = _refused((SHARED / row["path"]).read_bytes())
        if row["expected"].startswith("reject ("):
            assert refused, row["path"]
        elif row["expected"].startswith("accept "):
            assert not refused, row["path"]


def _refused(file: bytes) -> bool:
    try:
        transfer_syntax, dataset = split_part10(file)
    except NotDicom:
        return True
    return reason_for(bytes(dataset), transfer_syntax) is not None


def verdict(dataset: bytes, syntax: str, size: int) -> object:
    try:
        screening = Screening(syntax)
        for at in range(0, len(dataset), size):
            screening.feed(dataset[at : at + size])
        return screening.finish()
    except Unacceptable as error:
        return str(error)


def _hostile(made):
    """Objects of every encoding, cut and changed at random places, with nestings around the limit."""
    chance = random.Random(7)
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian):
        data = made.dataset_of(made.object(syntax=syntax))
        yield data, syntax
        yield data + bytes(999), syntax
        yield data + bytes(999) + b"\1", syntax
        for _ in range(60):
            changed = bytearray(data[: chance.randrange(len(data) + 1)])
            if changed and chance.random() < 0.7:
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            yield bytes(changed), syntax
    for syntax, nest in NESTINGS.values():
        identity = made.dataset_of(made.object(syntax=syntax, pixels=0))
        yield from ((identity + nest(depth), syntax) for depth in (MAX_DEPTH, MAX_DEPTH + 1))


def test_the_verdict_does_not_depend_on_how_the_object_is_cut_into_pieces(made):
    cases = [*_small_files(), *_hostile(made)]
    assert len(cases) > 200
    for dataset, syntax in cases:
        whole = verdict(dataset, syntax, len(dataset) or 1)
        for size in (1, 2, 7, 13, 139, 140, 141, 1021, 4096):
            if len(dataset) < 400 * size:
                assert verdict(dataset, syntax, size) == whole


def _small_files():
    for path in PYDICOM_FILES:
        with contextlib.suppress(NotDicom):
            syntax, dataset = split_part10(path.read_bytes())
            if len(dataset) < 40_000:
                yield bytes(dataset), syntax
