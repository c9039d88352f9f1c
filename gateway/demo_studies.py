"""Synthetic studies as DICOM: for the demonstration, for the doctor's test, for tests and benchmarks. Of nobody.

UIDs are derived from a seed (PS3.5 B.2, below 2.25), so that each installation has its own and a restart repeats them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from uuid import UUID

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

from gateway.phantoms import CT, T1, T2, Plane, chest, grid, head_slice

ISSUER = "DEMO_HOSPITAL"
FIELD_OF_VIEW = 240.0  # mm
PLANES = 24  # distinct slices of a long series; more are repeated with their own identifiers


@dataclass(frozen=True, slots=True)
class DemoStudy:
    """One study as Part 10 files."""

    title: str
    instances: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Patient:
    name: str
    patient_id: str
    birth_date: str
    sex: str


ADA = _Patient("Demo-Example^Ada", "DEMO-0001", "19610314", "F")
BEN = _Patient("Demo-Example^Ben", "DEMO-0002", "19780902", "M")
CLEO = _Patient("Demo-Example^Cleo", "DEMO-0003", "19550621", "F")


def demo_studies(seed: str) -> tuple[DemoStudy, ...]:
    """A CT of a head, an MR of a head and a chest radiograph; the same for the same seed."""
    return (
        DemoStudy("CT of the head", tuple(ct_series(36, seed=seed, patient=ADA))),
        DemoStudy("MR of the head", tuple(_mr_head(seed))),
        DemoStudy("Chest radiograph", (_chest(seed),)),
    )


def ct_series(slices: int, size: int = 512, seed: str = "ct", patient: _Patient = ADA) -> Iterator[bytes]:
    """One axial CT series of a head: `slices` Part 10 files of size x size signed 16-bit pixels (HU)."""
    study = _study(patient, f"{seed} CT head", "CT HEAD WITHOUT CONTRAST", "20261120", "A-1001")
    planes = min(slices, PLANES) if slices > 2 * PLANES else slices
    for number in range(slices):
        pixels = _head_pixels(size, number * planes // slices, planes, CT)
        dataset = _instance(study, CTImageStorage, "CT", (1, "Axial 5 mm"), number)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.KVP, dataset.SliceThickness = "120", "5"
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "HU"
        _place(dataset, number, size)
        _pixels(dataset, pixels, window=(40, 80), signed=True)
        yield _part10(dataset)


def _mr_head(seed: str, slices: int = 24, size: int = 256) -> Iterator[bytes]:
    study = _study(BEN, f"{seed} MR head", "MR BRAIN", "20261121", "A-1002")
    for series, (contrast, name, timing, window) in enumerate(
        ((T1, "T1 axial", ("500", "12"), (420, 760)), (T2, "T2 axial", ("4200", "95"), (520, 1000))), 1
    ):
        for number in range(slices):
            dataset = _instance(study, MRImageStorage, "MR", (series, name), number)
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
            dataset.ScanningSequence, dataset.SequenceVariant = "SE", "NONE"
            dataset.ScanOptions, dataset.MRAcquisitionType = "", "2D"
            dataset.RepetitionTime, dataset.EchoTime = timing
            dataset.EchoTrainLength, dataset.SliceThickness = "1", "5"
            _place(dataset, number, size)
            _pixels(dataset, _head_pixels(size, number, slices, contrast), window=window, signed=False)
            yield _part10(dataset)


def _chest(seed: str, size: int = 1024) -> bytes:
    study = _study(CLEO, f"{seed} chest", "CHEST PA", "20261122", "A-1003")
    dataset = _instance(study, DigitalXRayImageStorageForPresentation, "DX", (1, "Chest PA"), 0, "CHEST")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.PresentationIntentType, dataset.PatientOrientation = "FOR PRESENTATION", ["L", "F"]
    dataset.ViewPosition, dataset.ImageLaterality, dataset.PositionerType = "PA", "U", ""
    dataset.AnatomicRegionSequence = [_code("51185008", "SCT", "Chest")]
    dataset.ViewCodeSequence = [_code("399148005", "SCT", "postero-anterior")]
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape, dataset.LossyImageCompression = "IDENTITY", "00"
    dataset.BurnedInAnnotation, dataset.DetectorType = "NO", ""
    dataset.ImagerPixelSpacing = ["0.35", "0.35"]
    dataset.AcquisitionContextSequence = []
    _pixels(dataset, chest(size, _number(seed)), window=(2048, 4096), signed=False, bits=12)
    return _part10(dataset)


def self_test_instance() -> tuple[str, bytes]:
    """A tiny image with fresh identifiers: its SOP Instance UID, and the file."""
    patient = _Patient("Self-Test^Overread", "SELF-TEST", "", "O")
    study = _study(patient, secrets.token_hex(16), "SELF TEST", "20260101", "")
    dataset = _instance(study, SecondaryCaptureImageStorage, "OT", (1, "Self test"), 0, "")
    dataset.ConversionType, dataset.Laterality, dataset.PatientOrientation = "SYN", "", ""
    _pixels(dataset, np.zeros((8, 8)), window=(128, 256), signed=False)
    return str(dataset.SOPInstanceUID), _part10(dataset)


def _study(patient: _Patient, seed: str, description: str, date: str, accession: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID, dataset.IssuerOfPatientID = patient.name, patient.patient_id, ISSUER
    dataset.PatientBirthDate, dataset.PatientSex = patient.birth_date, patient.sex
    dataset.StudyInstanceUID = _uid(seed, "study")
    dataset.StudyDate, dataset.StudyTime = date, "091500"
    dataset.AccessionNumber, dataset.StudyID = accession, "1"
    dataset.ReferringPhysicianName, dataset.StudyDescription = "Referrer^Rita^^Dr.", description
    dataset.Manufacturer, dataset.InstitutionName = "Overread synthetic", "Demo Hospital"
    dataset.ManufacturerModelName, dataset.SoftwareVersions, dataset.DeviceSerialNumber = "Phantom", "1", "1"
    return dataset


def _instance(
    study: Dataset, sop_class: UID, modality: str, series: tuple[int, str], number: int, body_part: str = "HEAD"
) -> Dataset:
    dataset = Dataset()
    dataset.update(study)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = _uid(study.StudyInstanceUID, f"{series[0]}.{number}")
    dataset.SeriesInstanceUID = _uid(study.StudyInstanceUID, f"series {series[0]}")
    dataset.Modality, dataset.SeriesNumber, dataset.SeriesDescription = modality, str(series[0]), series[1]
    dataset.SeriesDate, dataset.SeriesTime = study.StudyDate, study.StudyTime
    dataset.ContentDate = dataset.AcquisitionDate = study.StudyDate
    dataset.ContentTime = dataset.AcquisitionTime = study.StudyTime
    dataset.AcquisitionNumber, dataset.InstanceNumber = "1", str(number + 1)
    if body_part:
        dataset.BodyPartExamined = body_part
    return dataset


def _place(dataset: Dataset, number: int, size: int) -> None:
    """Put an axial slice into the frame of reference of its study: 5 mm apart, from the skull base upwards."""
    dataset.FrameOfReferenceUID = _uid(dataset.StudyInstanceUID, "frame of reference")
    dataset.PositionReferenceIndicator, dataset.PatientPosition = "", "HFS"
    dataset.PixelSpacing = [f"{FIELD_OF_VIEW / size:.6g}"] * 2
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.ImagePositionPatient = [f"{-FIELD_OF_VIEW / 2:g}", f"{-FIELD_OF_VIEW / 2:g}", f"{5 * number:g}"]
    dataset.SliceLocation = f"{5 * number:g}"


def _pixels(dataset: Dataset, plane: Plane, window: tuple[int, int], *, signed: bool, bits: int = 16) -> None:
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.WindowCenter, dataset.WindowWidth = str(window[0]), str(window[1])
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    dataset.PixelData = np.clip(np.rint(plane), low, high).astype("<i2" if signed else "<u2").tobytes()


@cache
def _head_pixels(size: int, number: int, slices: int, contrast: int) -> Plane:
    level = -0.85 + 1.75 * (number + 0.5) / slices
    return head_slice(grid(size), level, contrast, seed=number)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _part10(dataset: Dataset) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")


def _uid(*names: str) -> str:
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return f"2.25.{UUID(bytes=digest[:16], version=4).int}"
