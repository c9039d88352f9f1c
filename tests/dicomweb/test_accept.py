"""Claims about what is chosen for an Accept field (PS3.18 section 8.7)."""

from __future__ import annotations

import pytest

from dicomweb.accept import Offer, Range, accepted, choose
from dicomweb.problems import Problem

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_LS = "1.2.840.10008.1.2.4.80"
RAW = Offer("multipart/related", "application/octet-stream", EXPLICIT)
STORED = Offer("multipart/related", "application/octet-stream", JPEG_LS, default_syntax=False)
AS_IMAGE = Offer("multipart/related", "image/jls", JPEG_LS)


@pytest.mark.parametrize(
    ("header", "offer"),
    [
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", STORED),  # OHIF's, unquoted
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', STORED),
        ('MULTIPART/Related; TYPE="Application/Octet-Stream" ; Transfer-Syntax="*"', STORED),
        ('multipart/related; type="*/*"', STORED),  # dicomweb-client's
        ("multipart/related", STORED),
        ("*/*", STORED),
        ("", STORED),
        ('multipart/related; type="image/jls"', AS_IMAGE),
        (f'multipart/related; type="image/jls"; transfer-syntax="{JPEG_LS}"', AS_IMAGE),
        (f"multipart/related; type=image/jls; transfer-syntax={JPEG_LS}; q=0.5, */*;q=0.1", AS_IMAGE),
        ('multipart/related; type="image/*"', AS_IMAGE),
        (f'text/html, multipart/related; type="application/octet-stream"; transfer-syntax={JPEG_LS}', STORED),
    ],
)
def test_the_liked_representation_is_chosen(header: str, offer: Offer) -> None:
    assert choose(accepted([], header), [STORED, AS_IMAGE]) == offer


@pytest.mark.parametrize(
    "header",
    [
        'multipart/related; type="application/octet-stream"',  # no transfer syntax means Explicit VR Little Endian
        f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}',
        "application/zip",
        "image/gif",
        "*/*;q=0",
        'multipart/related; type="image/jp2"; transfer-syntax=*',
    ],
)
def test_what_cannot_be_made_is_406(header: str) -> None:
    with pytest.raises(Problem) as caught:
        choose(accepted([], header), [STORED, AS_IMAGE])
    assert caught.value.status == 406


def test_the_accept_field_of_every_java_client_is_understood() -> None:
    """Its weight `.2` has no digit before the point, which was a 400."""
    java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
    assert choose(accepted([], java), [STORED, AS_IMAGE]) == STORED
    assert choose(accepted([], java), [Offer("image/png"), Offer("image/gif")]) == Offer("image/gif")


def test_a_plus_in_a_query_may_stand_for_itself() -> None:
    json, xml = Offer("application/dicom+json"), Offer("multipart/related", "application/dicom+xml")
    assert choose(accepted(["application/dicom json"], "text/html"), [xml, json]) == json
    assert choose(accepted(['multipart/related; type="application/dicom xml"'], ""), [json, xml]) == xml


def test_image_jpg_means_image_jpeg() -> None:
    assert choose(accepted(["image/jpg"], ""), [Offer("image/png"), Offer("image/jpeg")]) == Offer("image/jpeg")


def test_without_a_transfer_syntax_the_default_one_is_meant() -> None:
    assert choose(accepted([], 'multipart/related; type="application/octet-stream"'), [STORED, RAW]) == RAW


def test_a_refused_type_is_not_taken_though_everything_else_is() -> None:
    assert choose(accepted([], 'multipart/related; type="image/jls"; q=0, */*'), [AS_IMAGE, RAW]) == RAW


def test_the_query_parameter_beats_the_header() -> None:
    assert accepted(["image/jpeg"], 'multipart/related; type="application/octet-stream"') == (Range("image/jpeg"),)


def test_a_comma_inside_quotes_divides_nothing() -> None:
    assert accepted([], 'a/b; x="1,2;3", c/d;q=0.25') == (Range("a/b"), Range("c/d", q=0.25))


@pytest.mark.parametrize("header", ["image/jpeg;q=2", 'a/b; x="', "a/b c/d", "," * 3 + "x", "a/b," * 100])
def test_an_accept_field_that_cannot_be_read_is_400(header: str) -> None:
    with pytest.raises(Problem) as caught:
        accepted([], header)
    assert caught.value.status == 400
