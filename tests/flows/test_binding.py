"""What a reader sees in OHIF is bound to the case, even when a patient forged the hospital's study before it came."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib import request
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from pydicom import dcmread

pytestmark = [pytest.mark.flow, pytest.mark.peers, pytest.mark.xdist_group("flows")]


def test_each_case_shows_its_own_pixels_and_all_of_its_studies_whatever_ohif_does(
    installation, add_hospital, make_study, desk, chromium, eventually
):
    hospital, sent = add_hospital(installation), make_study(3, size=64)
    prior = make_study(1, size=64, PatientID="FORGED", SeriesDescription="The prior")
    patient, reader = desk(installation, "patient"), desk(installation, "reader")
    upload_id = upload(installation, patient, [*forged(sent), *forged(prior)])
    eventually(lambda: reader.cases_of(sent.study_uid, "READY"), "the patient's case")
    hospital.push(sent)
    both = eventually(lambda: two(reader.cases_of(sent.study_uid, "READY")), "the hospital's case")
    (pushed_id,) = {case["id"] for case in both} - {upload_id}
    with chromium.tab(installation.url, reader.email) as tab:
        with opened(tab, installation.url, pushed_id) as (true, asked):
            assert not mirrored(true.drawn())
            true.page.reload()
            assert not mirrored(true.drawn())
        assert asked == {(sent.study_uid, kind) for kind in ("series", "metadata", "frames")}
        with opened(tab, installation.url, upload_id) as (false, asked):
            assert mirrored(false.drawn())
            preserved = "window.services.customizationService.getValue('ohif.preserveCustomizationKeys')"
            assert false.page.evaluate(preserved) == ["case"]
            chromium.keep(false.page, "ohif-forged")
            for uid, name in ((sent.study_uid, "Axial 2 mm"), (prior.study_uid, "The prior")):  # it began with either
                false.page.get_by_text(name).first.dblclick()
                eventually(lambda uid=uid: (uid, "frames") in asked, f"{name} in OHIF")
        assert asked == {(uid, kind) for uid in (sent.study_uid, prior.study_uid)
                         for kind in ("series", "metadata", "frames")}  # fmt: skip
        assert tab.wrong == []


def two(cases: list[Any]) -> list[Any]:
    return cases if len(cases) == 2 else []


def forged(sent: Any) -> Iterator[bytes]:
    """The same study under the same UIDs, its pixels mirrored."""
    for file in sent.files:
        ds, out = dcmread(file), BytesIO()
        ds.PatientID, ds.PixelData = "FORGED", np.ascontiguousarray(np.fliplr(ds.pixel_array)).tobytes()
        ds.save_as(out)
        yield out.getvalue()


def upload(installation: Any, patient: Any, files: list[bytes]) -> int:
    """A request with these images, sent; its case's id."""
    case_id = int(patient.ask("POST", "/cases", {"reason": "Is it still there?"})[1]["id"])
    for content in files:
        asked = request.Request(f"{installation.url}/cases/{case_id}/files?name=image", content)
        asked.add_header("Authorization", f"Bearer {installation.token(patient.email)}")
        with request.urlopen(asked, timeout=60) as answer:
            assert b'"stored"' in answer.read()
    end = time.monotonic() + 60
    while archived(patient, case_id) < len(files):
        assert time.monotonic() < end, "the images were not archived"
        time.sleep(0.2)
    patient.do(case_id, "submit")
    return case_id


def archived(patient: Any, case_id: int) -> int:
    """How many images of the request are in the archive."""
    studies = patient.get(f"/cases/{case_id}")["studies"]
    return sum(int(series["instances"]) for study in studies for series in study["series"])


@contextmanager
def opened(tab: Any, url: str, case_id: int) -> Iterator[tuple[Any, set[tuple[str, str]]]]:
    """The viewer as the case's page opens it, and what it asks for: all of it below the root of this case."""
    asked: set[tuple[str, str]] = set()
    outside: list[str] = []

    def note(one: Any) -> None:
        root, _, below = urlsplit(one.url).path.partition("/studies")
        if root.startswith("/dicom-web") and root != f"/dicom-web/cases/{case_id}":
            outside.append(one.url)
        elif below:
            words = below.split("/")
            asked.add((words[1], next(word for word in reversed(words) if word.isalpha())))

    tab.page.goto(f"{url}/cases/{case_id}")
    assert "also came from" in tab.page.locator("#elsewhere").inner_text()
    shown = tab.popup("#open-images")
    shown.page.on("request", note)
    yield shown, asked
    shown.page.wait_for_load_state("networkidle")
    assert (outside, shown.wrong) == ([], [])
    assert parse_qs(urlsplit(shown.page.url).query)["case"] == [str(case_id)]
    shown.page.close()


def mirrored(shown: np.ndarray) -> bool:
    """Whether the bright spot is on the left: the forged pixels."""
    middle = shown.shape[1] // 2
    return bool(shown[:, :middle].mean() > shown[:, middle:].mean())
