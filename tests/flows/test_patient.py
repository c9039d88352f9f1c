"""A patient asks in the browser, uploads what the hospital gave them, and gets PDF and SR."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pydicom import dcmread

pytestmark = [pytest.mark.flow, pytest.mark.peers, pytest.mark.xdist_group("flows")]

REASON = "I was advised to have surgery and would like to be sure."
QUESTION = "Is surgery needed now?"
JUNK = {"README.TXT": b"Open the viewer by a double click.", "VIEWER/START.EXE": b"MZ\x90\0", "empty.dat": b""}


def test_a_patient_uploads_a_zip_and_files_and_downloads_the_signed_report(
    installation, make_study, desk, chromium, run_overread
):
    sent = make_study(12, modality="MR", size=128, PatientName="Sample^Pat")
    patient, reader = desk(installation, "patient"), desk(installation, "reader")
    with chromium.tab(installation.url, patient.email) as tab:
        start_request(tab.page)
        upload(tab.page, sent)
        chromium.keep(tab.page, "patient-upload")
        tab.page.click("button:has-text('Send my request')")
        case = reader.wait_ready(sent.study_uid)
        assert (case["site"], case["subspecialty"]) == (None, "neuroradiology")
        reader.read_and_sign(case["id"], answers=[{"question": QUESTION, "answer": "No."}])
        tab.page.goto(f"{installation.url}/cases/{case['id']}")
        expect(tab.page.locator("#get-pdf")).to_be_visible(timeout=60_000)
        chromium.keep(tab.page, "patient-report")
        assert download(tab.page, "#get-pdf", sent.folder.parent / "mine.pdf").read_bytes().startswith(b"%PDF")
        sr = dcmread(download(tab.page, "#get-sr", sent.folder.parent / "mine.dcm"))
        assert (sr.StudyInstanceUID, sr.PatientName) == (sent.study_uid, "Sample^Pat")
        assert tab.wrong == []
    reader.wait_state(case["id"], "DELIVERED")
    assert_nothing_for_another_patient(installation, desk, run_overread, case["id"])


def start_request(page: Page) -> None:
    page.goto(page.url.partition("/requests")[0] + "/requests/new")
    page.fill("#reason", REASON)
    page.fill("#history", "Headache since March.")
    page.fill("#question-1", QUESTION)
    page.click("button:has-text('Go on to the images')")
    expect(page.locator("#upload")).to_be_visible()


def upload(page: Page, sent: Any) -> None:
    """Half of the study in a zip with other things in it, the other half as single files beside a text."""
    disc, note = sent.folder.parent / "disc.zip", sent.folder.parent / "note.txt"
    note.write_text("Call me.")
    with zipfile.ZipFile(disc, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sent.files[:6]:
            packed.write(file, f"DICOM/{file.name}")
        for name, content in JUNK.items():
            packed.writestr(name, content)
    page.set_input_files("#files-input", disc)
    expect(page.locator("#progress-text")).to_contain_text("Done. 6 images received.", timeout=60_000)
    page.set_input_files("#files-input", [*sent.files[6:], note])
    expect(page.locator("#progress-text")).to_contain_text("Done. 12 images received.", timeout=60_000)
    page.click("details[data-outcome=skipped] summary")
    for name in (*JUNK, note.name):
        expect(page.locator("details[data-outcome=skipped]")).to_contain_text(name)
    expect(page.locator("#images table")).to_contain_text("12", timeout=60_000)


def download(page: Page, link: str, file: Path) -> Path:
    with page.expect_download() as coming:
        page.click(link)
    coming.value.save_as(file)
    return file


def assert_nothing_for_another_patient(installation: Any, desk: Any, run_overread: Any, case_id: int) -> None:
    email = "another@flow.example"
    words = ("person", "add", email, "--name", "Another Patient", "--role", "patient", "--password", "demo of another")
    said = run_overread(*words, "--data", str(installation.data))
    assert said.returncode == 0, said.stderr
    other = desk(installation, email)
    assert other.get("/cases")["cases"] == []
    for path in ("", "/report.pdf", "/report.dcm", "/deliveries"):
        assert other.ask("GET", f"/cases/{case_id}{path}")[0] == 404
    assert other.ask("POST", f"/cases/{case_id}/withdraw")[0] == 404
