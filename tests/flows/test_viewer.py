"""OHIF shows what scanners send in whatever encoding, and also while the archive is gone."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian, generate_uid

pytestmark = [pytest.mark.flow, pytest.mark.peers, pytest.mark.xdist_group("flows")]

COMPRESSED = {  # the option by which storescu proposes it, and a file of pydicom in it
    "-xr": "MR_small_RLE.dcm",
    "-xy": "examples_ybr_color.dcm",
    "-xx": "JPEG-lossy.dcm",
    "-xs": "SC_rgb_jpeg_gdcm.dcm",
    "-xt": "MR_small_jpeg_ls_lossless.dcm",
    "-xv": "examples_jpeg2k.dcm",
}


def test_ohif_shows_every_compression_and_a_pdf(installation, add_hospital, tmp_path, desk, chromium, eventually):
    hospital, coordinator = add_hospital(installation), desk(installation, "coordinator")
    study_uid, names = generate_uid(), list(COMPRESSED.values())
    for number, (option, name) in enumerate(COMPRESSED.items(), 1):
        file = adopt(dcmread(get_testdata_file(name)), study_uid, number, name, tmp_path)
        assert "(Success)" in hospital.storescu(option, file).stdout
    document = adopt(encapsulated_pdf(), study_uid, 20, "leaflet", tmp_path)
    assert "(Success)" in hospital.storescu(document).stdout
    coordinator.wait_ready(study_uid)
    with chromium.tab(installation.url, coordinator.email) as tab:
        before = tab.see_images(installation.url, study_uid)  # its first series
        for name in [*names[1:], names[0]]:
            tab.page.get_by_text(name).first.dblclick()
            before = eventually(lambda old=before: another_picture(tab, old), f"{name} in OHIF")[0]
            expect(tab.page.locator("[data-cy=viewport-grid]")).to_contain_text(name)
            chromium.keep(tab.page, f"ohif-{name}")
        tab.page.locator("text=leaflet").first.dblclick()
        eventually(lambda: shows_leaflet(tab.page), "the page of the document in OHIF")
        chromium.keep(tab.page, "ohif-pdf")
        assert tab.wrong == []


def another_picture(tab: Any, old: np.ndarray) -> list[np.ndarray]:
    """What the viewport shows, if that is something and not what it showed before."""
    return [shown for shown in tab.canvases()[:1] if shown.std() > 0.02 and not np.array_equal(shown, old)]


def shows_leaflet(page: Page) -> bool:
    """Whether the viewport is, for the most part, a white page with a little black on it."""
    shown = page.locator("object[type='application/pdf']")
    grey = np.asarray(Image.open(BytesIO(shown.screenshot())).convert("L"))
    return bool((grey == 255).mean() > 0.4 and 0 < (grey < 10).mean() < 0.1)


def adopt(ds: Dataset, study_uid: str, number: int, description: str, folder: Path) -> Path:
    """The same pixels, untouched, in a study of ours."""
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study_uid, generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Synthetic^Compressed", "FLOW-COMPRESSED", "FLOW_HOSPITAL"
    ds.SeriesNumber, ds.SeriesDescription, ds.Modality = number, description, ds.get("Modality") or "OT"
    ds.StudyDate, ds.StudyDescription, ds.AccessionNumber = "20261120", "Many encodings", "ACC-C"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    file = folder / f"{number}.dcm"
    ds.save_as(file)
    return file


def encapsulated_pdf() -> Dataset:
    ds = Dataset()
    ds.file_meta = dcmread(get_testdata_file("CT_small.dcm"), stop_before_pixels=True).file_meta
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = EncapsulatedPDFStorage
    ds.Modality, ds.InstanceNumber, ds.BurnedInAnnotation, ds.DocumentTitle = "DOC", 1, "NO", "Leaflet"
    ds.ConversionType, ds.MIMETypeOfEncapsulatedDocument = "WSD", "application/pdf"
    ds.PatientBirthDate = ds.PatientSex = ds.StudyTime = ds.ContentDate = ds.ContentTime = ""
    ds.EncapsulatedDocument = one_page("Encapsulated leaflet")
    return ds


def one_page(text: str) -> bytes:
    """The smallest PDF that says something."""
    drawing = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET"
    objects = (
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        f"<</Length {len(drawing)}>>stream\n{drawing}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body = "%PDF-1.4\n" + "".join(f"{number} 0 obj{each}endobj\n" for number, each in enumerate(objects, 1))
    return (body + "trailer<</Root 1 0 R/Size 6>>\n%%EOF \n").encode()


def test_a_ready_study_opens_while_the_archive_is_dead(start_installation, add_hospital, make_study, desk, chromium):
    with start_installation() as installation:
        hospital, sent = add_hospital(installation), make_study(5, size=128)
        reader = desk(installation, "reader")
        hospital.push(sent)
        reader.wait_ready(sent.study_uid)
        with archive_dead(installation), chromium.tab(installation.url, reader.email) as tab:
            shown = tab.see_images(installation.url, sent.study_uid)
            assert shown.std() > 0.1
            tab.page.wait_for_load_state("networkidle")
            assert tab.wrong == []


def test_an_image_with_a_window_of_no_width_is_shown_in_greys(
    installation, add_hospital, make_study, desk, chromium, eventually
):
    """OHIF showed such an image in black and white alone: three values, not an image."""
    hospital, reader = add_hospital(installation), desk(installation, "reader")
    sent = make_study(2, size=128, WindowCenter="40", WindowWidth="0")
    hospital.push(sent)
    reader.wait_ready(sent.study_uid)
    with chromium.tab(installation.url, reader.email) as tab:
        tab.see_images(installation.url, sent.study_uid)
        eventually(lambda: any(len(np.unique(each)) > 30 for each in tab.canvases()[:1]), "greys in OHIF")


@contextmanager
def archive_dead(installation: Any) -> Iterator[None]:
    """Orthanc is killed, and the supervisor cannot start it again until the end of the block."""
    (orthanc,) = (pid for pid, words in installation.processes().items() if "orthanc.json" in words)
    installation.process.send_signal(signal.SIGSTOP)
    try:
        os.kill(orthanc, signal.SIGKILL)
        yield
    finally:
        installation.process.send_signal(signal.SIGCONT)
