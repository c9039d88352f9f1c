"""Claims about files, metadata, bulk data and pictures."""

from __future__ import annotations

import gzip
import io
import json

import pydicom
import pytest
import requests
from PIL import Image
from pydicom import Dataset
from pydicom.uid import UID, generate_uid

from worklist.models import Study

EXPLICIT = "1.2.840.10008.1.2.1"
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def an_encapsulated_pdf():
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    dataset.Modality, dataset.InstanceNumber, dataset.SeriesNumber = "DOC", 1, 9
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = b"%PDF-1.4 " + b"x" * 5000 + b"\n"
    return dataset


def a_large_study(world):
    """Two CT slices out of order, an RLE series, a cine, a PDF."""
    study, ct = generate_uid(), generate_uid()
    sent = [
        world.instance("CT_small.dcm", study, ct, InstanceNumber=2, SeriesNumber=1),
        world.instance("CT_small.dcm", study, ct, InstanceNumber=1, SeriesNumber=1),
        world.instance("MR_small_RLE.dcm", study, SeriesNumber=2, PatientName="Test^RLE"),
        world.instance("examples_ybr_color.dcm", study, SeriesNumber=3),
        world.finished(an_encapsulated_pdf(), study, generate_uid()),
    ]
    world.study(*sent)
    return sent


# --- files --------------------------------------------------------------------------------------------------------


def test_an_instance_is_the_file_that_was_sent(world):
    sent = a_large_study(world)
    for one in sent:
        response = world.get(one.path, Accept="application/dicom; transfer-syntax=*")
        assert response.content == one.part10
        syntax = one.dataset.file_meta.TransferSyntaxUID
        assert response.headers["Content-Type"] == f"application/dicom; transfer-syntax={syntax}"
        assert int(response.headers["Content-Length"]) == len(one.part10)


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_implicit_and_big_endian_never_leave(world, name):
    sent = world.instance(name, generate_uid())
    world.study(sent)
    client = world.client()
    (got,) = [client.retrieve_instance(sent.study_uid, sent.series_uid, sent.sop_uid)]
    assert got.file_meta.TransferSyntaxUID == EXPLICIT
    assert (got.pixel_array == sent.dataset.pixel_array).all()
    assert world.get(sent.path, Accept="application/dicom; transfer-syntax=1.2.840.10008.1.2").status_code == 406


def test_dicomweb_client_retrieves_instance_series_and_study(world):
    study, series = generate_uid(), generate_uid()
    sent = [world.instance("CT_small.dcm", study, series, InstanceNumber=number) for number in (1, 2, 3)]
    sent.append(world.instance("MR_small.dcm", study))
    world.study(*sent)
    client = world.client()
    assert client.retrieve_instance(study, series, sent[1].sop_uid) == sent[1].dataset
    assert [one.SOPInstanceUID for one in client.retrieve_series(study, series)] == [one.sop_uid for one in sent[:3]]
    assert {one.SOPInstanceUID for one in client.iter_study(study)} == {one.sop_uid for one in sent}
    assert [one.SOPInstanceUID for one in client.iter_series(study, sent[3].series_uid)] == [sent[3].sop_uid]


def test_a_study_of_several_transfer_syntaxes_comes_as_stored_or_decoded(world):
    sent = a_large_study(world)
    response = world.get(f"/studies/{sent[0].study_uid}", Accept=AS_STORED)
    assert response.headers["Content-Type"].startswith('multipart/related; type="application/dicom"; boundary=')
    for one in sent:
        assert response.content.count(one.part10) == 1
    assert response.content.index(sent[1].part10) < response.content.index(sent[0].part10)
    explicit_only = world.get(f"/studies/{sent[0].study_uid}", Accept='multipart/related; type="application/dicom"')
    assert explicit_only.status_code == 200
    assert b"1.2.840.10008.1.2.5" not in explicit_only.content
    assert explicit_only.content.count(sent[1].part10) == 1
    assert world.get(f"/studies/{sent[0].study_uid}", Accept="application/zip").status_code == 406


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_rle_2frame.dcm"],
)
def test_a_compressed_file_comes_decoded_to_whoever_takes_no_compression(world, name):
    sent = world.instance(name, generate_uid())
    world.study(sent)
    for accept in ("application/dicom", f"application/dicom; transfer-syntax={EXPLICIT}"):
        response = world.get(sent.path, Accept=accept)
        assert response.headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
        assert response.headers["Content-Length"] == str(len(response.content))
    decoded, source = pydicom.dcmread(io.BytesIO(response.content)), sent.dataset
    assert decoded.file_meta.TransferSyntaxUID == EXPLICIT
    assert decoded.file_meta.MediaStorageSOPInstanceUID == sent.sop_uid
    assert (decoded.pixel_array == source.pixel_array).all()
    changed = {"PixelData", "PhotometricInterpretation", "PlanarConfiguration", "DataSetTrailingPadding"}
    for element in source:
        assert element.keyword in changed or decoded[element.tag].value == element.value, element.tag
    (whole,) = world.client().retrieve_series(sent.study_uid, sent.series_uid, media_types=("application/dicom",))
    assert whole.pixel_array.shape == source.pixel_array.shape


def test_what_is_lossy_or_cannot_be_decoded_comes_as_stored_unless_a_transfer_syntax_is_named(world):
    sent = world.instance("SC_rgb_jpeg_dcmtk.dcm", generate_uid())
    broken = world.instance("MR_small_RLE.dcm", generate_uid(), PhotometricInterpretation="CIELAB")
    world.study(sent)
    world.study(broken)
    for one in (sent, broken):
        assert world.get(one.path, Accept="application/dicom").content == one.part10
        assert world.get(one.path, Accept="application/dicom; transfer-syntax=*").content == one.part10
    assert world.get(broken.path, Accept=f"application/dicom; transfer-syntax={EXPLICIT}").status_code == 406


def test_one_instance_that_no_decoder_reads_does_not_break_a_study_off(world):
    """A segmentation of single bits in RLE ended the answer in its middle: its client had nothing of the study."""
    study, rle = generate_uid(), "1.2.840.10008.1.2.5"
    sent = [
        world.instance("CT_small.dcm", study, SeriesNumber=1),
        world.instance("MR_small_RLE.dcm", study, SeriesNumber=2, PatientName="CompressedSamples^CT1"),
        world.instance("MR_small_RLE.dcm", study, SeriesNumber=3, PhotometricInterpretation="CIELAB"),
    ]
    world.study(*sent)
    got = {one.SOPInstanceUID: one for one in world.client().retrieve_study(study)}
    syntaxes = [got[one.sop_uid].file_meta.TransferSyntaxUID for one in sent]
    assert syntaxes == [EXPLICIT, EXPLICIT, rle]
    answer = world.get(f"/studies/{study}", Accept='multipart/related; type="application/dicom"')
    assert answer.content.count(b"Content-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.5\r\n") == 1
    assert answer.content.count(sent[2].part10) == 1


# --- metadata -----------------------------------------------------------------------------------------------------


def test_series_metadata_are_sorted_zipped_and_without_bulk(world):
    sent = a_large_study(world)
    path = f"/studies/{sent[0].study_uid}/series/{sent[0].series_uid}/metadata"
    response = world.get(path, Accept="application/dicom+json", Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Accept, Accept-Encoding, Cookie"
    assert response.headers["Cache-Control"] == "private, no-cache"
    instances = response.json()
    assert [one["00200013"]["Value"] for one in instances] == [[1], [2]]
    assert instances[0]["7FE00010"] == {
        "vr": "OW", "BulkDataURI": f"{world.url}{sent[1].path}/bulk/7FE00010",
    }  # fmt: skip
    plain = world.get(path, Accept_Encoding="identity")
    assert "Content-Encoding" not in plain.headers
    assert plain.json() == instances
    assert plain.headers["ETag"] != response.headers["ETag"]


def test_metadata_say_what_pydicom_reads(world):
    for one in a_large_study(world):
        got = world.client().retrieve_instance_metadata(one.study_uid, one.series_uid, one.sop_uid)
        read = Dataset.from_json(json.dumps(got if isinstance(got, dict) else got[0]), lambda *_: b"")
        expected = one.dataset
        for element in expected:
            if element.VR not in {"OB", "OW", "UN", "SQ", "PN", "DS"}:
                assert read[element.tag].value == element.value, element


def test_metadata_of_a_study_are_those_of_its_series_in_order(world):
    sent = a_large_study(world)
    client = world.client()
    of_study = client.retrieve_study_metadata(sent[0].study_uid)
    of_series = [client.retrieve_series_metadata(sent[0].study_uid, one.series_uid) for one in sent[1:]]
    assert of_study == [instance for series in of_series for instance in series]


def test_a_late_instance_is_in_the_metadata_of_the_next_request(world):
    study, series = generate_uid(), generate_uid()
    first = world.instance("CT_small.dcm", study, series, InstanceNumber=1)
    world.study(first)
    path = f"/studies/{study}/series/{series}/metadata"
    before = world.get(path)
    assert world.get(path, If_None_Match=before.headers["ETag"]).status_code == 304
    with world.database.reading() as session:
        origin = session.query(Study).where(Study.study_uid == study).one().origin
    world.archived(world.instance("CT_small.dcm", study, series, InstanceNumber=2), origin)
    after = world.get(path, If_None_Match=before.headers["ETag"])
    assert (after.status_code, len(after.json())) == (200, 2)


@pytest.mark.parametrize("accept", ["application/xml", "text/html", 'multipart/related; type="application/dicom"'])
def test_metadata_that_cannot_be_made_are_406(world, accept):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    assert world.get(f"{sent.path}/metadata", Accept=accept).status_code == 406


# --- bulk data ----------------------------------------------------------------------------------------------------


def addresses(value):
    if isinstance(value, dict):
        if "BulkDataURI" in value:
            yield value["BulkDataURI"]
        for inner in value.values():
            yield from addresses(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from addresses(inner)


def test_every_address_in_the_metadata_resolves_with_the_same_rights(world):
    sent = a_large_study(world)
    found = list(addresses(world.get(f"/studies/{sent[0].study_uid}/metadata").json()))
    assert len(found) >= len(sent)
    for url in found:
        assert url.startswith(world.url)
        assert world.get(url).status_code == 200
        assert world.get(url, "chest").status_code == 404


def test_a_pdf_comes_as_ohif_asks_for_it(world):
    *_, pdf = a_large_study(world)
    document = pdf.dataset.EncapsulatedDocument
    ohif = 'multipart/related; type="application/pdf", multipart/related; type="application/octet-stream"'
    response = world.get(f"{pdf.path}/bulk/00420011", Accept=ohif)
    assert response.headers["Content-Type"].startswith('multipart/related; type="application/pdf"; boundary=')
    assert document in response.content
    assert world.get(f"{pdf.path}/bulk/00420011", Accept="application/pdf").content == document
    assert world.get(f"{pdf.path}/rendered", Accept="application/pdf").content == document
    (got,) = world.client().retrieve_bulkdata(f"{world.url}{pdf.path}/bulk/00420011")
    assert got == document


def test_a_range_of_bulk_data_and_of_a_file_comes_alone(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    pixels = sent.dataset.PixelData
    bulk, whole = (
        f"{sent.path}/bulk/7FE00010",
        world.get(f"{sent.path}/bulk/7FE00010", Accept="application/octet-stream"),
    )
    assert (whole.content, whole.headers["Accept-Ranges"]) == (pixels, "bytes")
    for asked, start, stop in (("0-99", 0, 100), ("100-", 100, len(pixels)), ("-7", len(pixels) - 7, len(pixels))):
        part = world.get(bulk, Accept="application/octet-stream", Range=f"bytes={asked}")
        assert (part.status_code, part.content) == (206, pixels[start:stop])
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(pixels)}"
        assert (part.headers["Content-Length"], part.headers["ETag"]) == (str(stop - start), whole.headers["ETag"])
    file = world.get(sent.path, Accept="application/dicom; transfer-syntax=*", Range="bytes=128-131")
    assert (file.status_code, file.content) == (206, b"DICM")


def test_a_range_that_cannot_be_is_416_and_one_of_another_version_is_the_whole(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    bulk, octets, pixels = f"{sent.path}/bulk/7FE00010", "application/octet-stream", sent.dataset.PixelData
    none = world.get(bulk, Accept=octets, Range=f"bytes={len(pixels)}-")
    assert (none.status_code, none.headers["Content-Range"]) == (416, f"bytes */{len(pixels)}")
    etag = world.get(bulk, Accept=octets).headers["ETag"]
    for how in ({"If_Range": '"other"'}, {"Range": "bytes=0-1,5-6"}, {"Range": "lines=1-2"}, {"Range": "bytes=x"}):
        whole = world.get(bulk, Accept=octets, **({"Range": "bytes=0-9"} | how))
        assert (whole.status_code, whole.content) == (200, pixels), how
    assert world.get(bulk, Accept=octets, Range="bytes=0-9", If_Range=etag).status_code == 206
    assert world.get(bulk, Accept=octets, Range="bytes=0-9", If_None_Match=etag).status_code == 304
    assert world.get(bulk, Accept="multipart/related", Range="bytes=0-9").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("00100010", 404), ("7FE00010/1/7FE00010", 404), ("7fe00010", 400), ("x", 400), ("00100010/", 400)],
)
def test_an_address_of_nothing_is_told(world, path, status):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    assert world.get(f"{sent.path}/bulk/{path}").status_code == status


# --- pictures -----------------------------------------------------------------------------------------------------


def picture(response):
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


def test_a_rendered_instance_fits_its_viewport(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    shown = picture(world.get(f"{sent.path}/rendered?viewport=64%2C64", Accept="image/jpeg"))
    assert (shown.format, shown.size) == ("JPEG", (64, 64))
    whole = picture(world.get(f"{sent.path}/rendered?window=40,400,linear", Accept="image/png"))
    assert (whole.format, whole.size) == ("PNG", (128, 128))
    assert picture(world.get(f"{sent.path}/frames/1/rendered?quality=50")).format == "JPEG"


@pytest.mark.parametrize("name", ["CT_small.dcm", "examples_palette.dcm"])
def test_a_picture_can_be_had_as_gif(world, name):
    """Table 8.7.4-1 requires it beside JPEG and PNG; it was a 406."""
    sent = world.instance(name, generate_uid())
    world.study(sent)
    answer = world.get(f"{sent.path}/rendered?viewport=64,64", Accept="image/gif")
    assert answer.headers["Content-Type"] == "image/gif"
    drawn = Image.open(io.BytesIO(answer.content))
    assert (drawn.format, max(drawn.size)) == ("GIF", 64)


def test_a_thumbnail_comes_at_every_level_and_the_query_beats_the_header(world):
    sent = a_large_study(world)
    study = f"/studies/{sent[0].study_uid}"
    header = 'multipart/related; type="application/octet-stream"'
    for path in (study, f"{study}/series/{sent[3].series_uid}", sent[3].path, f"{sent[3].path}/frames/2"):
        response = world.get(f"{path}/thumbnail?accept=image%2Fjpeg", Accept=header)
        assert response.headers["Content-Type"] == "image/jpeg"
        assert max(picture(response).size) <= 256
        assert world.get(f"{path}/thumbnail", If_None_Match=response.headers["ETag"]).status_code == 304
    assert picture(world.get(f"{study}/rendered")).size == (128, 128)


def test_a_thumbnail_is_drawn_once_and_another_size_or_frame_is_another_picture(world):
    (sent, *_), kept = a_large_study(world), world.spool.parent / "cache/pictures"

    def drawn():
        return sum(1 for file in kept.rglob("*") if file.is_file())

    before = drawn()
    first = world.get(f"{sent.path}/thumbnail").content
    assert drawn() == before + 1
    assert world.get(f"{sent.path}/frames/1/thumbnail").content == first
    assert picture(world.get(f"{sent.path}/thumbnail?viewport=16,16")).size == (16, 16)
    assert drawn() == before + 1
    assert picture(world.get(f"{sent.path}/thumbnail", Accept="image/png")).format == "PNG"
    assert drawn() == before + 2


@pytest.mark.parametrize(
    "query",
    [
        "viewport=0,0",
        "viewport=99999,1",
        "viewport=a,b",
        "viewport=1,1&viewport=2,2",
        "window=1",
        "window=1,0,linear",
        "window=1,2,cubic",
        "quality=0",
        "quality=101",
    ],
)
def test_a_picture_that_cannot_be_meant_is_400(world, query):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    assert world.get(f"{sent.path}/rendered?{query}").status_code == 400


def test_what_has_no_picture_is_406(world):
    pdf = world.finished(an_encapsulated_pdf(), generate_uid(), generate_uid())
    world.study(pdf)
    report = world.instance("reportsi.dcm", generate_uid())
    world.study(report)
    assert world.get(f"/studies/{pdf.study_uid}/thumbnail").status_code == 406
    for path in (f"{pdf.path}/thumbnail", f"{report.path}/thumbnail", f"{report.path}/rendered"):
        assert world.get(path).status_code == 406, path  # of an instance it was a 404, as if it were not there


def test_dicomweb_client_gets_rendered_pictures(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    uids = (sent.study_uid, sent.series_uid, sent.sop_uid)
    client = world.client()
    got = client.retrieve_instance_rendered(*uids, media_types=("image/jpeg",), params={"viewport": "32,32"})
    assert Image.open(io.BytesIO(got)).size == (32, 32)
    assert (
        Image.open(io.BytesIO(client.retrieve_series_rendered(*uids[:2], media_types=("image/png",)))).format == "PNG"
    )


def test_gzip_is_true(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    url = f"{sent.path}/metadata"
    raw = requests.get(
        world.url + url, headers={"Authorization": "Bearer neuro", "Accept-Encoding": "gzip"}, stream=True, timeout=10
    )
    body = raw.raw.read(decode_content=False)
    assert len(body) == int(raw.headers["Content-Length"])
    assert gzip.decompress(body) == world.get(url).content
