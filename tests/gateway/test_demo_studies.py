"""The synthetic studies are valid DICOM, plausible pictures, and nobody's."""

from __future__ import annotations

import subprocess
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from config.settings import load_settings
from gateway.demo import send_demo_studies
from gateway.demo_studies import HEAD_CT, LAST, DemoStudy, ct_series, demo_studies, self_test_instance, write_files
from scp.requesting import PeerUnavailable
from worklist.models import Study


@pytest.fixture(scope="module")
def studies() -> tuple[DemoStudy, ...]:
    return demo_studies("a test")


@pytest.fixture(scope="module")
def datasets(studies: tuple[DemoStudy, ...]) -> list[list[Dataset]]:
    return [[dcmread(BytesIO(each)) for each in study.instances] for study in studies]


def test_dciodvfy_finds_no_error_in_any_instance(studies: tuple[DemoStudy, ...], tmp_path: Path) -> None:
    files = write_files((each for study in studies for each in study.instances), tmp_path / "studies")
    files += write_files([self_test_instance()[1]], tmp_path / "self-test")
    files += write_files(ct_series(2, size=64), tmp_path / "series")
    for file in files:
        checked = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
        assert "Error" not in checked.stdout + checked.stderr, f"{file}: {checked.stdout}{checked.stderr}"
        assert checked.returncode == 0


def test_series_of_a_volume_are_consistent_for_dicom3tools(studies: tuple[DemoStudy, ...], tmp_path: Path) -> None:
    for number, study in enumerate(studies[:2]):
        files = write_files(study.instances, tmp_path / str(number))
        checked = subprocess.run(["dcentvfy", *map(str, files)], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_same_seed_gives_the_same_bytes(studies: tuple[DemoStudy, ...]) -> None:
    assert demo_studies("a test") == studies


def test_another_seed_gives_other_uids_for_everything() -> None:
    first, second = (
        {
            str(element.value)
            for each in ct_series(3, size=32, seed=seed)
            for element in dcmread(BytesIO(each))
            if element.VR == "UI" and element.keyword.endswith("InstanceUID")
        }
        for seed in ("one", "two")
    )
    assert len(first) == len(second) == 5
    assert not first & second
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in first | second)


def test_every_name_says_that_nobody_is_meant(datasets: list[list[Dataset]]) -> None:
    for dataset in (each for study in datasets for each in study):
        assert str(dataset.PatientName).startswith("DEMO^")
        assert dataset.PatientID.startswith("DEMO-")
        assert dataset.IssuerOfPatientID == "DEMO_HOSPITAL"
        assert "Synthetic" in dataset.ImageComments


def test_three_patients_one_study_each(datasets: list[list[Dataset]]) -> None:
    assert len({each[0].PatientID for each in datasets}) == 3
    for study in datasets:
        assert len({(each.PatientID, each.StudyInstanceUID, each.AccessionNumber) for each in study}) == 1
        assert len({each.SOPInstanceUID for each in study}) == len(study)
    assert [Counter(each.Modality for each in study) for study in datasets] == [{"CT": 32}, {"MR": 48}, {"DX": 1}]
    assert len({each.SeriesInstanceUID for each in datasets[1]}) == 2


def test_ct_numbers_are_those_of_air_brain_and_bone(datasets: list[list[Dataset]]) -> None:
    middle = datasets[0][14]
    hounsfield = middle.pixel_array * float(middle.RescaleSlope) + float(middle.RescaleIntercept)
    assert abs(np.median(hounsfield[:20, :20]) + 1000) < 20
    brain = hounsfield[(hounsfield > 15) & (hounsfield < 55)]
    assert 25 < np.median(brain) < 42
    assert brain.size > 0.15 * hounsfield.size
    assert hounsfield.max() > 1000
    bleeding = hounsfield[hounsfield.shape[0] // 2 + 8, hounsfield.shape[1] // 2 + 55]
    assert 55 < bleeding < 80


def test_fluid_is_dark_in_t1_and_bright_in_t2(datasets: list[list[Dataset]]) -> None:
    first, second = ([each for each in datasets[1] if each.SeriesDescription == f"AX {key}"] for key in ("T1", "T2"))
    t1, t2 = first[14].pixel_array.astype(float), second[14].pixel_array.astype(float)
    fluid = t2 > 850
    assert fluid.sum() > 500
    assert np.median(t1[fluid]) < 0.5 * np.median(t1[(t2 > 300) & (t2 < 420)])


def test_the_chest_has_black_lungs_and_a_white_spine(datasets: list[list[Dataset]]) -> None:
    (image,) = datasets[2]
    picture = image.pixel_array / 4095
    assert picture.shape == (1024, 1024)
    right_lung, heart, spine = picture[520:560, 240:300], picture[600:680, 600:660], picture[850:950, 495:530]
    assert right_lung.mean() < 0.2 < heart.mean() < spine.mean()
    assert picture[:40, :40].max() < 0.06, "beside the patient nothing is in the beam"


def test_slices_lie_in_order_and_evenly(datasets: list[list[Dataset]]) -> None:
    heights = [float(each.ImagePositionPatient[2]) for each in datasets[0]]
    steps = np.diff(heights)
    assert (steps > 0).all()
    assert np.ptp(steps) < 0.001


def test_a_long_series_has_no_two_equal_slices() -> None:
    slices = [dcmread(BytesIO(each)) for each in ct_series(40, size=64)]
    assert len({each.PixelData for each in slices}) == 40
    assert len({each.SOPInstanceUID for each in slices}) == 40
    assert len({each.SeriesInstanceUID for each in slices}) == 1
    assert [each.InstanceNumber for each in slices] == list(range(1, 41))


def test_a_self_test_was_never_sent_before() -> None:
    (first, content), (second, _) = self_test_instance(), self_test_instance()
    assert first != second
    assert dcmread(BytesIO(content)).SOPInstanceUID == first


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_demonstration_that_was_cut_off_is_sent_again(database, database_url, tmp_path, free_port) -> None:
    """A third of its first study was there, and the others never came: any study was enough to send nothing."""
    settings = load_settings(
        tmp_path, database={"url": database_url}, dicom={"port": free_port()}, delivery={"timeout": 5.0}
    )
    with database.writing() as session:
        session.add(Study(origin="site:1", study_uid="1.2.3", accession=HEAD_CT.accession))
    with pytest.raises(PeerUnavailable):  # it tries; nobody listens there
        send_demo_studies(settings)
    with database.writing() as session:
        session.add(Study(origin="site:1", study_uid="1.2.4", accession=LAST.accession))
    assert send_demo_studies(settings) == 0
