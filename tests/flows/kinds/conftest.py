"""Studies of many kinds, a hospital that sends them, and the viewer of one running installation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import highdicom
import numpy as np
import pytest
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from playwright.sync_api import Page
from pydicom import Dataset, Sequence, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import PositronEmissionTomographyImageStorage, RTStructureSetStorage, generate_uid

SIZE, SLICES = 96, 12
STUDY = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate",
    "StudyTime", "StudyInstanceUID", "AccessionNumber",
)  # fmt: skip


# --- what is sent -------------------------------------------------------------------------------------------------


def written(ds: Dataset, folder: Path, number: int) -> Path:
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    file = folder / f"{ds.Modality}-{number:03}-{ds.SOPInstanceUID[-6:]}.dcm"
    ds.save_as(file, enforce_file_format=True)
    return file


def another_series(images: Iterable[Dataset], modality: str, sop_class_uid: str, **values: Any) -> Iterator[Dataset]:
    """The same pictures as a series of another kind."""
    series_uid = generate_uid()
    for image in images:
        image.Modality, image.SOPClassUID, image.SOPInstanceUID = modality, sop_class_uid, generate_uid()
        image.SeriesInstanceUID, image.SeriesDescription = series_uid, f"{modality} series"
        for keyword, value in values.items():
            setattr(image, keyword, value)
        yield image


def positron(images: list[Dataset]) -> Iterator[Dataset]:
    dose = Dataset()
    dose.RadiopharmaceuticalStartTime, dose.RadionuclideTotalDose = "090000", 350e6
    dose.RadionuclideHalfLife, dose.RadiopharmaceuticalStartDateTime = 6586.2, "20261120090000"
    values = {
        "Units": "BQML", "DecayCorrection": "START", "CorrectedImage": ["ATTN", "DECY"], "PatientWeight": 70,
        "RadiopharmaceuticalInformationSequence": Sequence([dose]), "AcquisitionDate": "20261120",
        "AcquisitionTime": "101600", "SeriesNumber": 2, "RescaleSlope": 5, "RescaleIntercept": 0,
        "WindowCenter": 5000, "WindowWidth": 10000, "SeriesType": ["STATIC", "IMAGE"], "NumberOfSlices": SLICES,
        "ActualFrameDuration": 60000, "FrameReferenceTime": 0, "ImageIndex": 1, "CountsSource": "EMISSION",
        "CollimatorType": "NONE",
    }  # fmt: skip
    for image in another_series(images, "PT", PositronEmissionTomographyImageStorage, **values):
        image.PixelData = np.clip(np.frombuffer(image.PixelData, "<i2") + 100, 0, 3000).astype("<i2").tobytes()
        yield image


def plain_film(images: list[Dataset], sop_class_uid: str, modality: str, **values: Any) -> Iterator[Dataset]:
    """Pictures without a place in space."""
    for image in another_series(images, modality, sop_class_uid, **values):
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "RescaleType"):
            if keyword in image:
                del image[keyword]
        yield image


def segmentation(images: list[Dataset]) -> Dataset:
    """A bright block in the middle of every slice."""
    mask = np.zeros((len(images), SIZE, SIZE), dtype=np.uint8)
    mask[:, SIZE // 4 : SIZE // 2, SIZE // 4 : SIZE // 2] = 1
    algorithm = AlgorithmIdentificationSequence("block", codes.DCM.ArtificialIntelligence, "1")
    described = SegmentDescription(
        1, "Block", codes.SCT.Organ, codes.SCT.Liver, SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm, display_color=None,
    )  # fmt: skip
    made: Dataset = highdicom.seg.Segmentation(
        images, mask, SegmentationTypeValues.BINARY, [described], generate_uid(), 90, generate_uid(), 1,
        "Tests", "Segmenter", "1", "0", series_description="Block",
    )  # fmt: skip
    made.IssuerOfPatientID = images[0].IssuerOfPatientID
    return made


def structures(images: list[Dataset]) -> Dataset:
    """A square around the middle of every slice."""
    made = Dataset()
    for keyword in (*STUDY, "FrameOfReferenceUID"):
        setattr(made, keyword, images[0][keyword].value)
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = RTStructureSetStorage, generate_uid(), "RTSTRUCT"
    made.SeriesInstanceUID, made.SeriesNumber, made.SeriesDescription = generate_uid(), 91, "Square"
    made.StructureSetLabel, made.StructureSetDate, made.StructureSetTime = "Square", "20261120", "120000"
    region, contours, observation = Dataset(), Dataset(), Dataset()
    region.ROINumber, region.ROIName, region.ROIGenerationAlgorithm = 1, "Square", "MANUAL"
    region.ReferencedFrameOfReferenceUID = images[0].FrameOfReferenceUID
    contours.ReferencedROINumber, contours.ROIDisplayColor = 1, [255, 0, 0]
    contours.ContourSequence = Sequence([square(image) for image in images])
    observation.ObservationNumber = observation.ReferencedROINumber = 1
    observation.RTROIInterpretedType, observation.ROIInterpreter = "ORGAN", ""
    made.StructureSetROISequence, made.ROIContourSequence = Sequence([region]), Sequence([contours])
    made.RTROIObservationsSequence = Sequence([observation])
    made.ReferencedFrameOfReferenceSequence = Sequence([planned_on(images)])
    made.file_meta = images[0].file_meta
    return made


def square(image: Dataset) -> Dataset:
    contour, shown = Dataset(), Dataset()
    shown.ReferencedSOPClassUID, shown.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    z, near, far = float(image.ImagePositionPatient[2]), SIZE / 8, SIZE * 3 / 8
    contour.ContourImageSequence, contour.ContourGeometricType = Sequence([shown]), "CLOSED_PLANAR"
    contour.NumberOfContourPoints = 4
    contour.ContourData = [near, near, z, far, near, z, far, far, z, near, far, z]
    return contour


def planned_on(images: list[Dataset]) -> Dataset:
    frame, study, series = Dataset(), Dataset(), Dataset()
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", images[0].StudyInstanceUID
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = square(images[0]).ContourImageSequence
    study.RTReferencedSeriesSequence, frame.RTReferencedStudySequence = Sequence([series]), Sequence([study])
    return frame


# --- how it is sent and opened ------------------------------------------------------------------------------------


@dataclass
class Scene:
    """A hospital that sends, and a browser that looks."""

    installation: Any
    hospital: Any
    chromium: Any
    coordinator: Any
    make_study: Any
    folder: Path

    def images(self, slices: int = SLICES, size: int = SIZE, **more: Any) -> list[Dataset]:
        return [dcmread(file) for file in self.make_study(slices, size=size, **more).files]

    def send(self, *series: Iterable[Dataset]) -> dict[str, Any]:
        """Send all of it as one study; its case, once it can be read."""
        files = [written(image, self.folder, number) for one in series for number, image in enumerate(one)]
        words = ("-aet", self.hospital.title, "-aec", "OVERREAD", "127.0.0.1", self.installation.dicom)
        said = self.hospital.tool("dcmsend", "-v", *words, *files)
        assert f"with status SUCCESS  : {len(files)}" in said, said[-1500:]
        return dict(self.coordinator.wait_ready(str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)))

    def open(self, tab: Any, case: dict[str, Any], mode: str = "viewer", more: str = "") -> Page:
        """Open the study of a case; every request of the browser is watched."""
        page: Page = tab.page
        watch(tab, self.installation.url)
        (study_uid,) = case["study_uids"]
        page.goto(f"{self.installation.url}/ohif/{mode}?StudyInstanceUIDs={study_uid}&case={case['id']}{more}")
        return page

    def pictures(self, tab: Any, count: int) -> list[np.ndarray]:
        """What the first viewports show, once each of them shows something."""

        def all_drawn() -> list[np.ndarray]:
            shown = tab.canvases()[:count]
            return shown if len(shown) == count and all(each.std() > 0.02 for each in shown) else []

        return list(self.soon(all_drawn, f"{count} images in OHIF", 120))

    @staticmethod
    def soon(ask: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """The first answer that is true."""
        end = time.monotonic() + seconds
        while not (answer := ask()):
            assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
            time.sleep(0.1)
        return answer


def watch(tab: Any, url: str) -> None:
    """Note, out of the browser's own log of the network, whatever goes elsewhere; and what the policy refuses."""
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Network.enable")

    def asked(event: dict[str, Any]) -> None:
        to = event["request"]["url"]
        if not to.startswith((url, "blob:", "data:")):
            tab.wrong.append(f"elsewhere: {to}")

    session.on("Network.requestWillBeSent", asked)
    tab.page.on("console", lambda said: "Content Security Policy" in said.text and tab.wrong.append(said.text))


@pytest.fixture
def scene(installation: Any, add_hospital: Any, chromium: Any, desk: Any, make_study: Any, tmp_path: Path) -> Scene:
    """A hospital, the coordinator and the browser of one running installation."""
    folder = tmp_path / "sent"
    folder.mkdir()
    return Scene(
        installation, add_hospital(installation), chromium, desk(installation, "coordinator"), make_study, folder
    )


@pytest.fixture
def tab(scene: Scene) -> Iterator[Any]:
    with scene.chromium.tab(scene.installation.url, scene.coordinator.email) as opened:
        yield opened


@pytest.fixture(scope="session")
def kinds() -> SimpleNamespace:
    """What makes series of another kind out of a CT: `kinds.segmentation(images)`."""
    makers = (written, watch, another_series, positron, plain_film, segmentation, structures)
    return SimpleNamespace(**{each.__name__: each for each in makers})
