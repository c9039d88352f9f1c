"""The main job: a hospital pushes, a subspecialist reads in OHIF and signs, SR and PDF come back."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pydicom import dcmread
from pydicom.dataset import Dataset

pytestmark = [pytest.mark.flow, pytest.mark.peers, pytest.mark.xdist_group("flows")]

PATIENT_AND_STUDY = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
    "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
)  # fmt: skip
IMPRESSION = "Small acute haemorrhage, left frontal, without shift."


def test_a_pushed_study_is_read_in_ohif_signed_and_comes_back_as_sr_and_pdf(
    installation, add_hospital, make_study, desk, chromium
):
    hospital, sent = add_hospital(installation), make_study(60)
    reader = desk(installation, "reader")
    with hospital.storescp(), chromium.tab(installation.url, reader.email) as room:
        hospital.push(sent)
        case = reader.wait_ready(sent.study_uid)
        assert (case["subspecialty"], case["site"]) == ("neuroradiology", hospital.code)
        room.page.goto(f"{installation.url}/cases/{case['id']}")
        room.page.click(f"#claim-{case['id']}")
        look(room.popup("#open-images"), sent, chromium)
        write_opinion(room.page)
        chromium.keep(room.page, "case-page")
        preview(room.page, chromium)
        sign(room.page, chromium)
        reader.wait_state(case["id"], "DELIVERED")
        assert_downloads(room.page, hospital)
        chromium.keep(room.page, "delivered")
        assert room.wrong == []
    assert_came_back(hospital, sent)
    assert_nothing_for(desk(installation, "chest"), case["id"], sent.study_uid)


def look(viewer: Any, sent: Any, chromium: Any) -> None:
    """The image is on OHIF's canvas, and nothing that it asked for was missing."""
    assert_shows(viewer.drawn(), sent.pictures)
    viewer.page.wait_for_load_state("networkidle")  # thumbnails and the rest of the stack
    chromium.keep(viewer.page, "ohif")
    assert viewer.wrong == []


def assert_nothing_for(other: Any, case_id: int, study_uid: str) -> None:
    """Whoever has no right to the case finds nothing at all."""
    for path in ("", "/report.pdf", "/report.dcm", "/deliveries"):
        assert other.ask("GET", f"/cases/{case_id}{path}")[0] == 404
    installation = other.installation
    found = installation.api("GET", f"/dicom-web/studies/{study_uid}/metadata", installation.token(other.email))
    assert found[0] == 404


def assert_shows(canvas: np.ndarray, pictures: tuple[np.ndarray, ...]) -> None:
    """The canvas shows one of the slices, fitted into it, by the brain window of the header."""
    height, width = canvas.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    shown = shrink(canvas[top : top + side, left : left + side])
    likeness = max(np.corrcoef(shown.ravel(), shrink(np.clip(each / 80, 0, 1)).ravel())[0, 1] for each in pictures)
    assert likeness > 0.9, f"the picture in the viewer is not one of the slices (likeness {likeness:.2f})"


def shrink(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray((picture * 255).astype("u1")).resize((64, 64)), dtype=float)


def write_opinion(page: Page) -> None:
    """Type as a reader does; the page saves by itself and says so."""
    page.locator("#findings").press_sequentially("Hyperdense focus of 14 mm.", delay=5)
    expect(page.locator("#saved")).to_have_text(re.compile("^Saved [0-9]"), timeout=15_000)
    page.fill("#impression", IMPRESSION)
    page.fill("#recommendations", "CT in 24 hours.")
    expect(page.locator("#saved")).to_have_attribute("data-state", "saved", timeout=15_000)
    page.reload()
    expect(page.locator("#impression")).to_have_value(IMPRESSION)
    expect(page.locator("#findings")).to_have_value("Hyperdense focus of 14 mm.")


def preview(page: Page, chromium: Any) -> None:
    page.click("text=Preview")
    expect(page.locator("#dialog")).to_contain_text(IMPRESSION)
    chromium.keep(page, "preview")
    page.click("#dialog [data-close]")


def sign(page: Page, chromium: Any) -> None:
    page.click("text=Sign…")
    expect(page.locator("#sign")).to_be_visible()
    chromium.keep(page, "sign")
    page.click("#sign")
    expect(page.locator("#report-state")).to_contain_text("Signed by Dr. Nora Example")


def assert_downloads(page: Page, hospital: Any) -> None:
    for link, name in (("#get-pdf", "report.pdf"), ("#get-sr", "report.dcm")):
        with page.expect_download() as coming:
            page.click(link)
        coming.value.save_as(hospital.folder.parent / name)
    assert IMPRESSION in text_of(hospital, hospital.folder.parent / "report.pdf")
    assert dcmread(hospital.folder.parent / "report.dcm").Modality == "SR"


def text_of(hospital: Any, pdf: Path) -> str:
    return " ".join(hospital.tool("pdftotext", pdf, "-").split())


def assert_came_back(hospital: Any, sent: Any) -> None:
    """Both documents are valid, in the sent study, of the sent patient, and say the same."""
    received = hospital.received()
    assert len(received) == 2
    sr_file, pdf_file = received.pop("SR"), received.popitem()[1]
    sr, document = dcmread(sr_file), dcmread(pdf_file)
    for keyword in PATIENT_AND_STUDY:
        assert sr[keyword].value == document[keyword].value == sent.header[keyword].value, keyword
    for file in (sr_file, pdf_file):
        assert errors_of(hospital.tool("dciodvfy", file, check=False)) == []
    assert errors_of(hospital.tool("dsrdump", sr_file)) == []
    assert IMPRESSION in hospital.tool("dsrdump", "+U8", "+Pl", sr_file)
    assert evidence_of(sr) == set(sent.datasets())
    taken_out = hospital.folder.parent / "encapsulated.pdf"
    taken_out.write_bytes(document.EncapsulatedDocument[: document.EncapsulatedDocumentLength])
    assert IMPRESSION in text_of(hospital, taken_out)


def errors_of(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(("Error", "E:", "F:"))]


def evidence_of(sr: Dataset) -> set[str]:
    studies = sr.CurrentRequestedProcedureEvidenceSequence
    series = (each for study in studies for each in study.ReferencedSeriesSequence)
    return {str(ref.ReferencedSOPInstanceUID) for each in series for ref in each.ReferencedSOPSequence}
