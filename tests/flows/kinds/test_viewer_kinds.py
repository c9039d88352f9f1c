"""OHIF on studies of many kinds, sent by a hospital: what is in them is seen on the canvas, not merely loaded.

`make test` runs what readers meet every day; the rest is marked `kinds` (`make test-kinds`). Compressed images and
PDFs are in test_viewer.py.
"""

from __future__ import annotations

import copy
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pydicom import Dataset, dcmread
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    MRImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

pytestmark = [pytest.mark.flow, pytest.mark.peers, pytest.mark.xdist_group("flows")]

SHARED = Path("/work/shared/data")


def viewports(page: Page) -> np.ndarray:
    """What the viewports show with all that is drawn over them, as RGB."""
    return np.asarray(Image.open(BytesIO(page.locator("[data-cy=viewport-grid]").screenshot())).convert("RGB"), int)


def green(page: Page) -> int:
    """How many pixels are clearly green, as the lines of a saved measurement are."""
    shown = viewports(page)
    return int(((shown[..., 1] - shown[..., 0] > 90) & (shown[..., 1] - shown[..., 2] > 90)).sum())


def coloured(page: Page) -> int:
    """How many pixels are clearly red, as overlays of these tests are."""
    shown = viewports(page)
    return int(((shown[..., 0] - shown[..., 1] > 60) & (shown[..., 0] - shown[..., 2] > 60)).sum())


def tinted(page: Page) -> int:
    """How many pixels are somewhat red, as a CT is below the colours of a PET; OHIF's own texts and lines are blue."""
    shown = viewports(page)
    return int(((shown[..., 0] - shown[..., 1] > 30) & (shown[..., 0] - shown[..., 2] > 20)).sum())


def greys(shown: np.ndarray) -> int:
    return len(np.unique((shown * 255).astype(int)))


def test_segmentations_and_structures_lie_over_the_images_and_nothing_is_asked_elsewhere(scene, tab, kinds) -> None:
    """OHIF's segmentations were refused by the Content Security Policy: ndarray made code out of text."""
    images = scene.images()
    page = scene.open(tab, scene.send([kinds.segmentation(images)], [kinds.structures(images)], images))
    (shown,) = scene.pictures(tab, 1)
    assert greys(shown) > 20
    assert coloured(page) == 0
    page.get_by_text("Block", exact=True).first.dblclick()
    scene.soon(lambda: coloured(page) > 5_000, "a red block over the image", 60)
    scene.chromium.keep(page, "ohif-seg")
    page.get_by_text("Square", exact=True).first.dblclick()
    scene.soon(lambda: 200 < coloured(page) < 5_000, "a red outline over the image", 60)
    scene.chromium.keep(page, "ohif-rtstruct")
    assert tab.wrong == []


def test_a_prior_of_the_same_site_stands_beside_the_study(scene, tab, kinds) -> None:
    newer = scene.images()
    older = scene.images()
    for image in older:
        image.PatientName, image.PatientID, image.StudyDate = newer[0].PatientName, newer[0].PatientID, "20250102"
    prior = scene.send(older)
    case = scene.send(newer)
    kinds.watch(tab, scene.installation.url)
    tab.page.goto(f"{scene.installation.url}/cases/{case['id']}")
    link = tab.page.locator("#open-images").get_attribute("href")
    assert prior["study_uids"][0] in link
    tab.page.goto(scene.installation.url + link)
    shown = scene.pictures(tab, 2)
    assert all(greys(each) > 20 for each in shown)
    panes = tab.page.locator("[data-cy=viewport-pane]")
    expect(panes).to_have_count(2)
    expect(panes.nth(0)).to_contain_text("20-Nov-2026")
    expect(panes.nth(1)).to_contain_text("02-Jan-2025")
    scene.chromium.keep(tab.page, "ohif-compare")
    assert tab.wrong == []


def test_a_measurement_is_drawn_saved_and_found_again_after_a_reload(scene, desk) -> None:
    reader, case = desk(scene.installation, "reader"), scene.send(scene.images())
    reader.do(case["id"], "claim")
    with scene.chromium.tab(scene.installation.url, reader.email) as tab:
        page = scene.open(tab, case)
        scene.pictures(tab, 1)
        measure(page)
        with page.expect_response(lambda answer: answer.request.method == "POST") as saved:
            page.locator("[data-cy=input-dialog-save-button]").click()
        assert saved.value.status == 200
        scene.soon(lambda: series_of(reader, case) == ["CT", "SR"], "the measurement in the case")
        page = scene.open(tab, case)
        scene.pictures(tab, 1)
        page.locator("[data-cy=study-browser-thumbnail-no-image]").first.dblclick()
        scene.soon(lambda: green(page) > 100, "the saved line over the image")
        expect(page.locator("[data-cy=viewport-grid]")).to_contain_text("continue tracking measurements")
        scene.chromium.keep(page, "ohif-sr")
        assert tab.wrong == []


def test_who_may_not_save_is_told_so_in_words_and_nothing_is_sent(scene, tab) -> None:
    """After drawing and naming it they saw an error of the server (403), in OHIF's words."""
    page = scene.open(tab, scene.send(scene.images()))
    scene.pictures(tab, 1)
    posts: list[str] = []
    page.on("request", lambda asked: asked.method == "POST" and posts.append(asked.url))
    measure(page)
    expect(page.get_by_text("Only the radiologist who reads this case can save into it.")).to_be_visible(timeout=20_000)
    expect(page.locator("[data-cy=input-dialog-save-button]")).to_have_count(0)
    scene.chromium.keep(page, "ohif-not-saved")
    assert (posts, tab.wrong) == ([], [])


def series_of(reader: Any, case: dict[str, Any]) -> list[str]:
    (study_uid,) = case["study_uids"]
    token = reader.installation.token(reader.email)
    path = f"/dicom-web/cases/{case['id']}/studies/{study_uid}/series"
    status, found = reader.installation.api("GET", path, token)
    assert status == 200
    return sorted(one["00080060"]["Value"][0] for one in found)


def measure(page: Page) -> None:
    """Draw a length over the first image, and go as far as the question what to save it as."""
    page.locator("[data-cy=MeasurementTools-split-button-primary]").click()
    box = page.locator(".cornerstone-canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(x - 80, y - 60)
    page.mouse.move(x + 60, y + 80, steps=8)
    page.mouse.click(x + 60, y + 80)
    page.locator("[data-cy=prompt-begin-tracking-yes-btn]").click()
    page.locator("[data-cy=trackedMeasurements-btn]").click()
    page.get_by_role("button", name="Create SR").click()


@pytest.mark.kinds
def test_pet_lies_over_ct(scene, tab, kinds) -> None:
    images = scene.images()
    page = scene.open(tab, scene.send(images, kinds.positron(copy.deepcopy(images))), "tmtv")
    shown = scene.pictures(tab, 9)
    assert all(greys(each) > 10 for each in shown)
    scene.soon(lambda: tinted(page) > 5_000, "colours of the PET over the CT")
    scene.chromium.keep(page, "ohif-petct")
    assert tab.wrong == []


@pytest.mark.kinds
@pytest.mark.parametrize(
    ("modality", "sop_class_uid", "values"),
    [
        ("MG", DigitalMammographyXRayImageStorageForPresentation, {"ImageLaterality": "L", "ViewPosition": "CC"}),
        ("CR", ComputedRadiographyImageStorage, {"PhotometricInterpretation": "MONOCHROME1"}),
    ],
)
def test_plain_films_are_seen(scene, tab, kinds, modality, sop_class_uid, values) -> None:
    films = kinds.plain_film(scene.images(2, 256), sop_class_uid, modality, **values)
    page = scene.open(tab, scene.send(list(films)))
    (shown,) = scene.pictures(tab, 1)
    assert greys(shown) > 30
    bright = bool(shown.mean() > 0.5)
    assert bright is (modality == "CR")  # MONOCHROME1: air is white
    scene.chromium.keep(page, f"ohif-{modality}")
    assert tab.wrong == []


@pytest.mark.kinds
def test_a_stack_of_mr_is_scrolled(scene, tab, kinds) -> None:
    images = list(kinds.another_series(scene.images(), "MR", MRImageStorage))
    page = scene.open(tab, scene.send(images))
    (first,) = scene.pictures(tab, 1)
    page.locator(".cornerstone-canvas").first.hover()
    page.mouse.wheel(0, 300)
    scene.soon(lambda: not np.array_equal(tab.canvases()[0], first), "another slice")
    assert tab.wrong == []


@pytest.mark.kinds
def test_the_frames_of_an_ultrasound_are_scrolled(scene, tab, kinds) -> None:
    (film,) = kinds.plain_film(scene.images(1, 128), UltrasoundMultiFrameImageStorage, "US", NumberOfFrames=6)
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        delattr(film, keyword)
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit, film.PixelRepresentation, film.WindowCenter, film.WindowWidth = 7, 0, 128, 256
    film.FrameTime, film.FrameIncrementPointer = 40, 0x00181063
    ramp = np.tile(np.arange(128, dtype=np.uint8) * 2, (128, 1))
    film.PixelData = np.stack([np.roll(ramp, 20 * frame, axis=1) for frame in range(6)]).tobytes()
    page = scene.open(tab, scene.send([film]))
    (first,) = scene.pictures(tab, 1)
    assert greys(first) > 50
    page.locator(".cornerstone-canvas").first.hover()
    page.mouse.wheel(0, 300)
    scene.soon(lambda: not np.array_equal(tab.canvases()[0], first), "another frame")
    scene.chromium.keep(page, "ohif-us")
    assert tab.wrong == []


@pytest.mark.kinds
@pytest.mark.parametrize("name", ["HTJ2KLossless_08_RGB.dcm", "HTJ2K_08_RGB.dcm"])
def test_high_throughput_jpeg_2000_is_seen(scene, tab, kinds, name) -> None:
    file = SHARED / "pydicom__pydicom-data/data_store/data" / name
    if not file.exists():
        pytest.skip(f"{file} is not here")
    ds, header = dcmread(file), scene.images(1)[0]
    for keyword in ("PatientName", "PatientID", "IssuerOfPatientID", "StudyDate", "StudyDescription", "StudyID"):
        setattr(ds, keyword, header[keyword].value)
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = generate_uid(), generate_uid(), generate_uid()
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "OT", 1, 1
    file = kinds.written(ds, scene.folder, 1)
    send_by_pynetdicom(scene.hospital, dcmread(file))
    case = scene.coordinator.wait_ready(str(ds.StudyInstanceUID))
    scene.open(tab, case)
    (shown,) = scene.pictures(tab, 1)
    assert greys(shown) > 50
    assert tab.wrong == []


def send_by_pynetdicom(hospital: Any, ds: Dataset) -> None:
    """DCMTK does not know the newest transfer syntaxes."""
    from pynetdicom import AE

    ae = AE(ae_title=hospital.title)
    ae.add_requested_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)
    association = ae.associate("127.0.0.1", hospital.installation.dicom, ae_title="OVERREAD")
    assert association.send_c_store(ds).Status == 0
    association.release()
