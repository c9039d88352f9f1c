"""Synthetic studies as files: a CT series, a cine loop, many small studies. Every round has new UIDs.

The pixels are made once. A new study is the same files with other UIDs of the same length, so that making one is
cheap and nobody can answer from what it knows already.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
)

STUDY = "1.2.826.0.1.3680043.10.54321.1000000000000000000"
PATIENT = "BENCH-000000000000"
CINE_FRAMES = 200


@dataclass(frozen=True, slots=True)
class Study:
    """One study of one series, as files on disk."""

    study_uid: str
    series_uid: str
    sop_uids: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def megabytes(self) -> float:
        """Size of all files."""
        return sum(file.stat().st_size for file in self.files) / 1e6

    @property
    def path(self) -> str:
        """Its series below a DICOMweb root."""
        return f"/studies/{self.study_uid}/series/{self.series_uid}"

    def frames(self) -> list[str]:
        """The path of the first frame of each instance."""
        return [f"{self.path}/instances/{uid}/frames/1" for uid in self.sop_uids]

    def cine(self) -> list[str]:
        """The path of each frame of the only instance."""
        return [f"{self.path}/instances/{self.sop_uids[0]}/frames/{n}" for n in range(1, CINE_FRAMES + 1)]


@dataclass(frozen=True, slots=True)
class Template:
    """Part 10 files whose UIDs all begin with `STUDY`."""

    files: tuple[bytes, ...]

    def write(self, folder: Path) -> Study:
        """Write the files below `folder` under UIDs that nobody has seen."""
        number = secrets.randbelow(9 * 10**18) + 10**18
        study_uid = STUDY[:-19] + str(number)
        patient = f"BENCH-{number % 10**12:012}"
        place = folder / str(number)
        place.mkdir(parents=True)
        written = []
        for index, content in enumerate(self.files):
            file = place / f"{index:04}.dcm"
            file.write_bytes(_renamed(content, study_uid, patient))
            written.append(file)
        sop_uids = tuple(_sop_uid(study_uid, index) for index in range(len(self.files)))
        return Study(study_uid, f"{study_uid}.1", sop_uids, tuple(written))


def ct_template(slices: int, size: int = 512) -> Template:
    """A head CT of so many axial slices."""
    return Template(tuple(_encoded(_ct_slice(index, size)) for index in range(slices)))


def cine_template() -> Template:
    """One instance of 200 frames, 512 x 512 x 8 bit."""
    return Template((_encoded(_cine()),))


def portions(files: Sequence[Path], count: int) -> list[list[Path]]:
    """The files in so many portions of about the same size."""
    return [list(files[start::count]) for start in range(count)]


def _renamed(content: bytes, study_uid: str, patient: str) -> bytes:
    """Identifiers stand before the pixels; what is behind them is not searched."""
    head, tail = content[:4096], content[4096:]
    return head.replace(STUDY.encode(), study_uid.encode()).replace(PATIENT.encode(), patient.encode()) + tail


def _sop_uid(study_uid: str, index: int) -> str:
    return f"{study_uid}.1.{index + 1}"


def _common(index: int, size: int) -> Dataset:
    dataset = Dataset()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, f"{STUDY}.1"
    dataset.SOPInstanceUID = _sop_uid(STUDY, index)
    dataset.FrameOfReferenceUID = f"{STUDY}.2"
    dataset.PatientName, dataset.PatientID = "Benchmark^Synthetic", PATIENT
    dataset.PatientBirthDate, dataset.PatientSex = "19600101", "O"
    dataset.StudyDate, dataset.StudyTime = "20261101", "101010"
    dataset.AccessionNumber, dataset.StudyID, dataset.ReferringPhysicianName = "BENCH", "1", "Nobody^Ada"
    dataset.BodyPartExamined, dataset.StudyDescription = "HEAD", "CT HEAD WITHOUT CONTRAST"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, index + 1
    dataset.Rows = dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    return dataset


def _ct_slice(index: int, size: int) -> Dataset:
    dataset = _common(index, size)
    dataset.SOPClassUID, dataset.Modality, dataset.SeriesDescription = CTImageStorage, "CT", "Axial 1 mm"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PixelSpacing, dataset.SliceThickness, dataset.KVP = [0.5, 0.5], 1, 120
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [-128, -128, index], [1, 0, 0, 0, 1, 0]
    dataset.PositionReferenceIndicator = ""
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "HU"
    dataset.WindowCenter, dataset.WindowWidth = 40, 80
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.PixelData = _head(index, size).tobytes()
    return dataset


def _head(index: int, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    across = (np.arange(size) - size / 2) / size
    radius = np.hypot(across[:, None], across[None, :])
    tissue = np.select([radius < 0.30, radius < 0.34], [40, 1000], -1000)
    noise = np.random.default_rng(index).integers(-12, 13, (size, size))
    return (tissue + noise).astype(np.int16)


def _cine() -> Dataset:
    dataset = _common(0, 512)
    dataset.SOPClassUID = MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    dataset.Modality, dataset.SeriesDescription, dataset.ConversionType = "CT", "Cine", "WSD"
    dataset.NumberOfFrames, dataset.FrameIncrementPointer, dataset.FrameTime = CINE_FRAMES, 0x00181063, "66.7"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = np.random.default_rng(7).integers(0, 256, CINE_FRAMES * 512 * 512, np.uint8).tobytes()
    return dataset


def _encoded(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.file_meta = meta
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
