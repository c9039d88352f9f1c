"""Claims about WADO-URI: it answers as WADO-RS does, with the same rights, and honours what it takes."""

from __future__ import annotations

import io
from urllib.parse import urlencode

import pytest
from PIL import Image
from pydicom.uid import generate_uid


@pytest.fixture
def ct(world):
    """A CT slice that `neuro` may see."""
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    return sent


def address(sent, **more):
    said = {"requestType": "WADO", "studyUID": sent.study_uid, "seriesUID": sent.series_uid, "objectUID": sent.sop_uid}
    return f"/wado?{urlencode(said | more)}"


def test_the_object_itself_is_the_file_that_was_sent(world, ct):
    answer = world.get(address(ct, contentType="application/dicom"))
    assert answer.content == ct.part10
    assert answer.headers["Content-Type"].startswith("application/dicom")


def test_without_a_content_type_an_image_is_a_jpeg_in_the_size_asked_for(world, ct):
    answer = world.get(address(ct, rows="64"), Accept="text/html")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (64, 64)


def test_it_is_answered_at_the_root_of_the_service_too(world, ct):
    """Where dcmjs' dicomweb-client sends `buildInstanceWadoURIUrl`; it was a 404."""
    at_root = address(ct, contentType="application/dicom", transferSyntax="*").removeprefix("/wado")
    assert world.get(at_root).content == ct.part10
    assert world.get(at_root, "chest").status_code == 404
    assert world.get("").status_code == 400


def test_image_jpg_is_understood(world, ct):
    answer = world.get(address(ct, contentType="image/jpg"))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")


def test_a_picture_is_that_of_wado_rs(world, ct):
    theirs = world.get(
        address(ct, contentType="image/png", windowCenter="40", windowWidth="400", rows="50", columns="60")
    )
    ours = world.get(f"{ct.path}/rendered?window=40,400&viewport=60,50", Accept="image/png")
    assert (theirs.status_code, theirs.content) == (200, ours.content)
    frame = world.get(address(ct, contentType="image/png", frameNumber="1"))
    assert frame.content == world.get(f"{ct.path}/frames/1/rendered", Accept="image/png").content


def test_a_stored_transfer_syntax_is_kept_where_there_is_no_better(world):
    sent = world.instance("JPEG2000.dcm", generate_uid())
    world.study(sent)
    assert world.get(address(sent, contentType="application/dicom", transferSyntax="*")).content == sent.part10
    wrong = address(sent, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.2")
    assert world.get(wrong).status_code == 406


@pytest.mark.parametrize(
    "more",
    [
        {"requestType": "OTHER"}, {"anonymize": "yes"}, {"region": "0,0,1,1"}, {"annotation": "patient"},
        {"objectUID": "../1"}, {"objectUID": ""}, {"rows": "x"}, {"windowCenter": "40"}, {"imageQuality": "0"},
        {"frameNumber": "0x1"},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_or_honoured_is_400(world, ct, more):
    assert world.get(address(ct, **more)).status_code == 400


def test_the_rights_and_the_audit_are_those_of_wado_rs(world, ct):
    assert world.get(address(ct), "chest").status_code == 404
    assert world.get(address(ct), "nobody").status_code == 401
    absent = address(ct, objectUID=generate_uid())
    assert world.get(absent).content == world.get(address(ct), "chest").content
    world.get(address(ct))
    last = world.accesses[-1]
    assert (last.action, last.study_uid, last.series_uid, last.status) == ("wado_uri", ct.study_uid, ct.series_uid, 200)
