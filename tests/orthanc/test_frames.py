"""Frames are the bytes of the source, whatever its encoding."""

import struct
import warnings
from itertools import chain

import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from orthanc.elements import read_part10
from orthanc.errors import NoSuchFrame
from orthanc.frames import find_frames
from orthanc.reencode import explicit_little

JPEG_PIECES = [b"\xff\xd8\xff\xe01st ", b"more", b"\xff\xd8\xff\xe02nd ", b"\xff\xd8\xff\xe03rd ", b"last"]


def frames_of(part10):
    """Every frame, its pieces joined."""
    frames = find_frames(read_part10(part10))
    return [b"".join(part10[at : at + length] for at, length in frames.pieces(n + 1)) for n in range(frames.count)]


def expected(dataset):
    """The frames as pydicom tells them apart, without padding."""
    count = int(dataset.get("NumberOfFrames") or 1)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        tables = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
        extended = tables if all(tables) else None
        return list(generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=extended))
    samples = get_decoder(dataset.file_meta.TransferSyntaxUID)
    arrays = (samples.as_buffer(dataset, index=n, view_only=False)[0] for n in range(count))
    return [bytes(array) for array in arrays]


def reference(file):
    """pydicom's frames, or None where it has none or cannot tell them apart."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(file)
            if "PixelData" not in dataset or dataset.original_encoding[1] is False or dataset.BitsAllocated == 1:
                return None
            return dataset, expected(dataset)
        except Exception:  # noqa: BLE001 - it raises whatever comes
            return None


def test_frames_of_every_transfer_syntax_are_byte_identical(samples):
    syntaxes, different = set(), []
    for file in samples.good():
        found = reference(file)
        ours = frames_of(file.read_bytes()) if found else []
        if found is None or not ours:
            continue
        dataset, theirs = found
        if ours == theirs:
            syntaxes.add(str(dataset.file_meta.TransferSyntaxUID))
        else:
            different.append(file.name)
    assert different == []
    assert len(syntaxes) >= 9


@pytest.mark.parametrize(
    "name", ["MR_small_bigendian.dcm", "MR_small_expb.dcm", "SC_rgb_small_odd_big_endian.dcm", "rtdose_expb.dcm"]
)
def test_big_endian_frames_are_little_endian_when_cached(samples, name):
    dataset = pydicom.dcmread(pydicom.data.get_testdata_file(name, download=False))
    ours = frames_of(explicit_little(read_part10(samples.shipped(name))))
    samples_of = get_decoder(dataset.file_meta.TransferSyntaxUID).as_array(dataset, raw=True)[0]
    little = samples_of.astype(samples_of.dtype.newbyteorder("<")).tobytes()
    assert b"".join(ours)[: len(little)] == little


def compressed(samples, fragments, frames, syntax=JPEGBaseline8Bit, **more):
    return samples.made(
        transfer_syntax=syntax, NumberOfFrames=frames, PixelData=fragments, BitsAllocated=8, BitsStored=8, **more
    )


def item(content):
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def test_a_single_frame_of_many_fragments_is_one_frame(samples):
    part10 = compressed(samples, encapsulate([b"abcd" * 100], fragments_per_frame=5), 1)
    assert frames_of(part10) == [b"abcd" * 100]


def test_the_basic_offset_table_tells_fragments_apart(samples):
    frames = [bytes([n]) * 90 for n in range(4)]
    part10 = compressed(samples, encapsulate(frames, fragments_per_frame=3, has_bot=True), 4, RLELossless)
    assert frames_of(part10) == frames


def test_without_a_table_one_fragment_is_one_frame(samples):
    frames = [bytes([n]) * 90 for n in range(4)]
    assert frames_of(compressed(samples, encapsulate(frames, has_bot=False), 4, RLELossless)) == frames


def test_the_extended_offset_table_leaves_padding_out(samples):
    frames = [b"a" * 91, b"b" * 45, b"c" * 10]
    pixels, offsets, _ = encapsulate_extended(frames)
    lengths = struct.pack("<3Q", *map(len, frames))
    part10 = compressed(
        samples, pixels, 3, JPEG2000Lossless, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths
    )
    assert frames_of(part10) == frames


def test_without_a_table_the_marks_of_jpeg_tell_fragments_apart(samples):
    part10 = compressed(samples, b"".join(chain([item(b"")], map(item, JPEG_PIECES))) + END, 3)
    first, continued, second, third, end = JPEG_PIECES
    assert frames_of(part10) == [first + continued, second, third + end]


@pytest.mark.parametrize("table", [[0, 4, 8], [0, 10**6, 2 * 10**6], [8, 0, 16], [0, 0, 0], [4, 30, 60]])
def test_a_basic_offset_table_that_lies_is_not_believed(samples, table):
    pieces = b"".join(chain([item(struct.pack("<3L", *table))], map(item, JPEG_PIECES))) + END
    first, continued, second, third, end = JPEG_PIECES
    assert frames_of(compressed(samples, pieces, 3)) == [first + continued, second, third + end]


def test_fragments_that_cannot_be_told_apart_are_no_frames(samples):
    pieces = b"".join(map(item, [b"", b"ab", b"cd", b"ef"])) + END
    assert frames_of(compressed(samples, pieces, 2, RLELossless)) == []


def test_a_video_has_no_frames_one_by_one(samples):
    pieces = b"".join(map(item, [b"", b"stream"])) + END
    assert frames_of(compressed(samples, pieces, 1, "1.2.840.10008.1.2.4.102")) == []


@pytest.mark.parametrize("number", [-1, 0, 4, 10**9])
def test_there_is_no_frame_beyond_the_last(samples, number):
    frames = find_frames(read_part10(samples.made(NumberOfFrames=3, PixelData=bytes(96))))
    assert frames.count == 3
    with pytest.raises(NoSuchFrame):
        frames.pieces(number)


def test_more_frames_are_claimed_than_there_are(samples):
    assert len(frames_of(samples.made(NumberOfFrames=2147483647, PixelData=bytes(96)))) == 3


def test_a_frame_cut_off_is_no_frame(samples):
    assert frames_of(samples.made()[:-10]) == []


def test_single_bits_are_frames_where_they_begin_at_a_byte(samples):
    bits = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    assert frames_of(samples.made(NumberOfFrames=2, PixelData=b"\1\2\3\4", **bits)) == [b"\1\2", b"\3\4"]
    assert frames_of(samples.made(NumberOfFrames=2, PixelData=b"\1\2\3\4", Columns=3, **bits)) == []
    assert frames_of(samples.made(NumberOfFrames=1, PixelData=b"\1\2", Columns=3, **bits)) == [b"\1\2"]


def test_floating_point_pixels_are_frames(samples):
    part10 = samples.made(NumberOfFrames=2, BitsAllocated=32, PixelData=None, FloatPixelData=bytes(range(128)))
    assert frames_of(part10) == [bytes(range(64)), bytes(range(64, 128))]
