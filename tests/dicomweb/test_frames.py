"""Claims about frames: byte for byte as they were sent, one part each, in the form that clients look for."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.uid import generate_uid

OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
EXPLICIT = "1.2.840.10008.1.2.1"


def parts(response):
    """The parts of a multipart answer: header block and content, cut by the letter of RFC 2046."""
    boundary = re.search(r"boundary=(\S+)$", response.headers["Content-Type"]).group(1)
    assert len(boundary) <= 70
    begin, *inside, end = (b"\r\n" + response.content).split(f"\r\n--{boundary}".encode())
    assert (begin, end) == (b"", b"--\r\n")
    assert int(response.headers["Content-Length"]) == len(response.content)
    return [tuple(one.removeprefix(b"\r\n").split(b"\r\n\r\n", 1)) for one in inside]


def source_frames(sent):
    dataset = sent.dataset
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))))
    return [dataset.PixelData]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("CT_small.dcm", None),
        ("MR_small.dcm", None),
        ("MR_small_RLE.dcm", "image/dicom-rle"),
        ("MR_small_jp2klossless.dcm", "image/jp2"),
        ("MR_small_jpeg_ls_lossless.dcm", "image/jls"),
        ("JPEG2000.dcm", "image/jp2"),
        ("JPEG-lossy.dcm", "image/jpeg"),
        ("SC_rgb_jpeg_gdcm.dcm", "image/jpeg"),
        ("SC_rgb_rle_2frame.dcm", "image/dicom-rle"),
        ("examples_ybr_color.dcm", "image/jpeg"),
    ],
)
def test_frames_are_the_bytes_that_were_sent(world, name, media_type):
    sent = world.instance(name, generate_uid())
    world.study(sent)
    syntax = str(sent.dataset.file_meta.TransferSyntaxUID)
    for number, frame in enumerate(source_frames(sent), start=1):
        response = world.get(f"{sent.path}/frames/{number}", Accept=OHIF)
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith('multipart/related; type="application/octet-stream"; ')
        assert parts(response) == [
            (f"Content-Type: application/octet-stream; transfer-syntax={syntax}".encode(), frame)
        ]
    if media_type:
        asked = f'multipart/related; type="{media_type}"; transfer-syntax="{syntax}"'
        response = world.get(f"{sent.path}/frames/1", Accept=asked)
        assert parts(response) == [
            (f"Content-Type: {media_type}; transfer-syntax={syntax}".encode(), source_frames(sent)[0])
        ]


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_implicit_and_big_endian_frames_go_out_in_little_endian(world, name):
    sent = world.instance(name, generate_uid())
    world.study(sent)
    ((head, frame),) = parts(world.get(f"{sent.path}/frames/1", Accept=OHIF))
    assert head.endswith(f"transfer-syntax={EXPLICIT}".encode())
    assert frame == sent.dataset.pixel_array.astype("<i2").tobytes()


def test_a_list_of_frames_comes_in_the_order_asked_for(world):
    sent = world.instance("examples_ybr_color.dcm", generate_uid())
    world.study(sent)
    frames = source_frames(sent)
    response = world.get(f"{sent.path}/frames/3,30,1,3", Accept=OHIF)
    assert [content for _, content in parts(response)] == [frames[2], frames[29], frames[0], frames[2]]


@pytest.mark.parametrize(
    ("frames", "status"),
    [("0", 404), ("31", 404), ("1,31", 404), ("abc", 400), ("1,", 400), ("-1", 400), ("1;2", 400), ("9" * 30, 400)],
)
def test_frames_that_are_none_are_told_without_a_partial_body(world, frames, status):
    sent = world.instance("examples_ybr_color.dcm", generate_uid())
    world.study(sent)
    response = world.get(f"{sent.path}/frames/{frames}", Accept=OHIF)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"])
@pytest.mark.parametrize("syntax", ["", f"; transfer-syntax={EXPLICIT}"])
def test_a_client_that_takes_no_compressed_frames_gets_them_decoded(world, name, syntax):
    sent = world.instance(name, generate_uid())
    world.study(sent)
    response = world.get(
        f"{sent.path}/frames/1,1", Accept=f'multipart/related; type="application/octet-stream"{syntax}'
    )
    assert response.status_code == 200
    expected = world.instance("MR_small.dcm", generate_uid()).dataset.PixelData
    assert response.content.count(expected) == 2


@pytest.mark.parametrize(
    "accept",
    [
        "application/zip",
        "image/gif",
        'multipart/related; type="image/jls"; transfer-syntax=1.2.840.10008.1.2.4.80',  # this one ends Orthanc + GDCM
        'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2',
        'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.2',
        "application/dicom+json",
    ],
)
def test_a_representation_that_cannot_be_made_is_406(world, accept):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    assert world.get(f"{sent.path}/frames/1", Accept=accept).status_code == 406


def test_a_single_frame_may_come_without_multipart(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    response = world.get(f"{sent.path}/frames/1", Accept="application/octet-stream")
    assert response.headers["Content-Type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    assert response.content == sent.dataset.PixelData


def test_a_frame_that_the_browser_has_is_not_sent_again_but_asked_for_each_time(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    first = world.get(f"{sent.path}/frames/1", Accept=OHIF)
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = world.get(f"{sent.path}/frames/1", Accept=OHIF, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert world.get(f"{sent.path}/frames/1", "chest", If_None_Match=first.headers["ETag"]).status_code == 404
    other = world.get(f"{sent.path}/frames/1", Accept="application/octet-stream")
    assert other.headers["ETag"] != first.headers["ETag"]


def test_head_answers_as_get_without_a_body(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    got = world.get(f"{sent.path}/frames/1", Accept=OHIF)
    asked = world.get(f"{sent.path}/frames/1", method="HEAD", Accept=OHIF)
    assert (asked.status_code, asked.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Vary"):
        assert asked.headers[name] == got.headers[name]
    assert world.get(f"{sent.path}/frames/2", method="HEAD").status_code == 404


def test_dicomweb_client_gets_frames(world):
    sent = world.instance("SC_rgb_rle_2frame.dcm", generate_uid())
    world.study(sent)
    uids = (sent.study_uid, sent.series_uid, sent.sop_uid)
    assert world.client().retrieve_instance_frames(*uids, frame_numbers=[2, 1]) == source_frames(sent)[::-1]
    picture = world.client().retrieve_instance_frames_rendered(*uids, frame_numbers=[2], media_types=("image/png",))
    shown = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    assert (shown == sent.dataset.pixel_array[1]).all()
