"""The light page for phones: in a real browser, series are gone through there by finger, keys and slider."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pydicom import Dataset, Sequence, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage, generate_uid

pytestmark = [pytest.mark.flow, pytest.mark.peers, pytest.mark.xdist_group("flows")]

PATIENCE = 60_000  # milliseconds
SLICES = 9
SAME = ("PatientName", "PatientID", "IssuerOfPatientID", "StudyInstanceUID", "StudyID", "AccessionNumber")


def referenced(sop_class_uid: str, sop_uid: str) -> Dataset:
    one = Dataset()
    one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = sop_class_uid, sop_uid
    return one


def key_object(image: Dataset, file: Path) -> Path:
    """A selection of one image, as a PACS sends it."""
    ds = Dataset()
    for keyword in (*SAME, "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName"):
        setattr(ds, keyword, image[keyword].value)
    ds.SOPClassUID, ds.SOPInstanceUID = KeyObjectSelectionDocumentStorage, generate_uid()
    ds.SeriesInstanceUID, ds.Modality, ds.SeriesNumber, ds.InstanceNumber = generate_uid(), "KO", 99, 1
    series, study, shown = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = image.SeriesInstanceUID
    series.ReferencedSOPSequence = Sequence([referenced(image.SOPClassUID, image.SOPInstanceUID)])
    study.StudyInstanceUID, study.ReferencedSeriesSequence = image.StudyInstanceUID, Sequence([series])
    ds.CurrentRequestedProcedureEvidenceSequence = Sequence([study])
    shown.RelationshipType, shown.ValueType = "CONTAINS", "IMAGE"
    shown.ReferencedSOPSequence = Sequence([referenced(image.SOPClassUID, image.SOPInstanceUID)])
    ds.ValueType, ds.ContinuityOfContent, ds.ContentSequence = "CONTAINER", "SEPARATE", Sequence([shown])
    ds.file_meta = image.file_meta
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.save_as(file, enforce_file_format=True)
    return file


def ultrasound(image: Dataset, file: Path) -> Path:
    """Thirty frames in JPEG, in the same study."""
    ds = dcmread(get_testdata_file("examples_ybr_color.dcm"))
    for keyword in SAME:
        setattr(ds, keyword, image[keyword].value)
    ds.SeriesInstanceUID, ds.SOPInstanceUID = generate_uid(), generate_uid()
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.SeriesNumber, ds.SeriesDescription = 5, "Heart, moving"
    ds.save_as(file)
    return file


@pytest.fixture
def case(installation: Any, add_hospital: Any, make_study: Any, desk: Any, tmp_path: Path) -> int:
    """A CT of nine slices with a key image, and an ultrasound of thirty frames; the case's id."""
    hospital, sent = add_hospital(installation), make_study(SLICES, size=128)
    hospital.push(sent)
    key = key_object(dcmread(sent.files[2], stop_before_pixels=True), tmp_path / "key.dcm")
    moving = ultrasound(dcmread(sent.files[0], stop_before_pixels=True), tmp_path / "moving.dcm")
    for words in ((key,), ("-xy", moving)):
        assert "(Success)" in hospital.storescu(*words).stdout
    return int(desk(installation, "coordinator").wait_ready(sent.study_uid)["id"])


def picture(page: Page) -> np.ndarray:
    """What is drawn, as grey values from 0 to 1."""
    shown = page.locator("#look-canvas").screenshot()
    return np.asarray(Image.open(BytesIO(shown)).convert("L"), dtype=float) / 255


def another(page: Page, old: np.ndarray, eventually: Any, what: str) -> np.ndarray:
    """The picture, once it is not black and not the old one."""

    def changed() -> list[np.ndarray]:
        now = picture(page)
        is_new = now.shape != old.shape or float(np.abs(now - old).mean()) > 0.002
        return [now] if is_new and now.std() > 0.05 and len(np.unique(now)) > 30 else []

    return np.asarray(eventually(changed, what)[0])


def choose(page: Page, title: str) -> None:
    page.locator("#look-series button", has_text=title).click()
    expect(page.locator("#look-title")).to_have_text(title, timeout=PATIENCE)


def at(page: Page, where: str) -> None:
    expect(page.locator("#look-count")).to_have_text(where, timeout=PATIENCE)


def test_a_phone_chooses_among_key_images_stacks_and_moving_images(installation, case, chromium, eventually) -> None:
    with chromium.tab(installation.url, "coordinator@demo.example", width=390, height=844) as tab:
        page = tab.page
        page.goto(f"{installation.url}/cases/{case}")
        page.get_by_role("link", name="Look at the images on this phone").click()
        expect(page.locator("#look-series button")).to_have_count(3, timeout=PATIENCE)
        at(page, "1 of 1")  # the key image comes first
        shown = another(page, np.zeros(1), eventually, "the key image")
        choose(page, "Axial 2 mm")
        at(page, f"5 of {SLICES}")
        shown = another(page, shown, eventually, "a slice")
        page.select_option("#look-window", label="Bone")
        shown = another(page, shown, eventually, "another window")
        choose(page, "Heart, moving")
        at(page, "16 of 30")
        another(page, shown, eventually, "a frame of the ultrasound")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        chromium.keep(page, "look-390")
        assert tab.wrong == []


def test_slider_keys_wheel_and_finger_go_through_a_series(installation, case, chromium, eventually) -> None:
    with chromium.tab(installation.url, "coordinator@demo.example", width=390, height=844) as tab:
        page, stage = tab.page, tab.page.locator("#look-stage")
        page.goto(f"{installation.url}/cases/{case}/look")
        choose(page, "Axial 2 mm")
        shown = another(page, np.zeros(1), eventually, "a slice")
        page.locator("#look-slider").press("ArrowRight")
        at(page, f"6 of {SLICES}")
        another(page, shown, eventually, "the next slice")
        for key, where in (("End", SLICES), ("Home", 1)):
            stage.press(key)
            at(page, f"{where} of {SLICES}")
        stage.hover()
        page.mouse.wheel(0, 100)
        at(page, f"2 of {SLICES}")
        swipe(page, down=120)
        expect(page.locator("#look-count")).not_to_have_text(f"2 of {SLICES}", timeout=PATIENCE)


def swipe(page: Page, down: int) -> None:
    box = page.locator("#look-stage").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + down, steps=6)
    page.mouse.up()


def test_a_desk_has_a_quick_look_and_nothing_there_runs_past_its_policy(installation, case, chromium) -> None:
    with chromium.tab(installation.url, "coordinator@demo.example", width=1280, height=800) as tab:
        refused: list[str] = []
        tab.page.on("console", lambda said: said.type == "error" and refused.append(said.text))
        tab.page.goto(f"{installation.url}/cases/{case}")
        tab.page.get_by_role("link", name="Quick look").click()
        expect(tab.page.locator("#look-show")).to_be_visible(timeout=PATIENCE)
        at(tab.page, "1 of 1")
        tab.page.wait_for_load_state("networkidle")
        chromium.keep(tab.page, "look-1280")
        assert (tab.wrong, refused) == ([], [])


def test_a_case_of_others_has_nothing_to_look_at(installation, case, desk) -> None:
    for who, status in (("coordinator", 200), ("patient", 404), ("chest", 404)):
        token = installation.token(f"{who}@demo.example")
        assert installation.api("GET", f"/cases/{case}/look", token)[0] == status


def test_the_case_begins_with_its_own_study_however_new_another_one_is(
    installation, add_hospital, make_study, desk, chromium
) -> None:
    """A reader looked at another examination first, and nothing but its tooltip said of when it was."""
    hospital, first = add_hospital(installation), make_study(3, size=64, StudyDate="20260102")
    same = {keyword: first.header[keyword].value for keyword in ("PatientID", "PatientName", "IssuerOfPatientID")}
    later = make_study(3, size=64, StudyDate="20260304", **same)
    cases = []
    for sent in (first, later):
        hospital.push(sent)
        cases.append(desk(installation, "coordinator").wait_ready(sent.study_uid)["id"])
    with chromium.tab(installation.url, "coordinator@demo.example", width=390, height=844) as tab:
        for case, begins in zip(cases, ("2 January 2026", "4 March 2026"), strict=True):
            tab.page.goto(f"{installation.url}/cases/{case}/look")
            expect(tab.page.locator("#look-title")).to_have_text(f"Axial 2 mm · {begins}", timeout=PATIENCE)
            expect(tab.page.locator("#look-series button")).to_have_count(2)
            expect(tab.page.locator("#look-series button").first).to_contain_text(begins)
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        chromium.keep(tab.page, "look-several-390")
