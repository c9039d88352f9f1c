"""What surrounds synthetic pixels: patients, studies and images with every attribute that their IODs ask for.

https://dicom.nema.org/medical/dicom/current/output/chtml/part03/PS3.3.html (annexes A.3, A.4, A.8 and A.26)
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from scp.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

ISSUER = "DEMO_HOSPITAL"
STORED = NDArray[np.int16] | NDArray[np.uint16]
"""Pixel values as they are written."""


@dataclass(frozen=True, slots=True)
class Names:
    """The UIDs of one installation: the same seed and words always give the same UID, below 2.25."""

    seed: str

    def uid(self, *words: object) -> uid.UID:
        """The UID of something."""
        name = "/".join(map(str, ("overread demo", self.seed, *words)))
        return uid.UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}")


@dataclass(frozen=True, slots=True)
class Visit:
    """A synthetic patient and the examination that was asked for."""

    patient_name: str
    patient_id: str
    birth_date: str
    sex: str
    age: str
    description: str
    body_part: str
    accession: str
    date: str
    time: str
    referring: str = "DEMO^Rita Referrer^^Dr."


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a visit."""

    key: str
    number: int
    modality: str
    sop_class: uid.UID
    description: str
    protocol: str


def instance(names: Names, visit: Visit, series: Series, number: int) -> Dataset:
    """The modules that all images share: patient, study, series, equipment, SOP common."""
    dataset = Dataset()
    dataset.file_meta = _file_meta(series.sop_class, names.uid(visit.accession, series.key, number))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = series.sop_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    _patient_and_study(dataset, names, visit)
    _series_and_equipment(dataset, names, visit, series)
    dataset.InstanceNumber = number
    dataset.AcquisitionNumber = series.number
    dataset.ImageComments = "Synthetic image made by Overread. Not a patient."
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.InstanceCreationDate = dataset.ContentDate = dataset.AcquisitionDate = visit.date
    dataset.InstanceCreationTime = dataset.ContentTime = dataset.AcquisitionTime = visit.time
    return dataset


def _file_meta(sop_class: str, sop_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.UID(sop_class)
    meta.MediaStorageSOPInstanceUID = uid.UID(sop_uid)
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid.UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _patient_and_study(dataset: Dataset, names: Names, visit: Visit) -> None:
    dataset.PatientName = visit.patient_name
    dataset.PatientID = visit.patient_id
    dataset.IssuerOfPatientID = ISSUER
    dataset.PatientBirthDate = visit.birth_date
    dataset.PatientSex = visit.sex
    dataset.PatientAge = visit.age
    dataset.StudyInstanceUID = names.uid(visit.accession)
    dataset.StudyID = visit.accession[-4:]
    dataset.AccessionNumber = visit.accession
    dataset.StudyDate = dataset.SeriesDate = visit.date
    dataset.StudyTime = dataset.SeriesTime = visit.time
    dataset.StudyDescription = visit.description
    dataset.ReferringPhysicianName = visit.referring
    dataset.InstitutionName = "Demo Hospital"


def _series_and_equipment(dataset: Dataset, names: Names, visit: Visit, series: Series) -> None:
    dataset.Modality = series.modality
    dataset.SeriesInstanceUID = names.uid(visit.accession, series.key)
    dataset.SeriesNumber = series.number
    dataset.SeriesDescription = series.description
    dataset.ProtocolName = series.protocol
    dataset.BodyPartExamined = visit.body_part
    dataset.Manufacturer = "Overread"
    dataset.ManufacturerModelName = "Synthetic phantom"
    dataset.DeviceSerialNumber = "DEMO"
    dataset.SoftwareVersions = IMPLEMENTATION_VERSION_NAME


def place(dataset: Dataset, names: Names, visit: Visit, *, z: float, thickness: float, pixel: float) -> None:
    """An axial plane in the patient: frame of reference and image plane modules."""
    size = dataset.Rows
    corner = -pixel * (size - 1) / 2
    dataset.FrameOfReferenceUID = names.uid(visit.accession, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFS"
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [round(corner, 4), round(corner, 4), round(z, 4)]
    dataset.SliceLocation = round(z, 4)
    dataset.SliceThickness = thickness
    dataset.PixelSpacing = [round(pixel, 6)] * 2


def paint(dataset: Dataset, pixels: STORED, bits: int) -> None:
    """Image pixel module: 16 bits allocated, little endian, as many used as said."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OW"


def windows(dataset: Dataset, presets: Iterable[tuple[str, float, float]]) -> None:
    """VOI LUT module: each preset is a name, a centre and a width."""
    listed = list(presets)
    dataset.WindowCenter = [centre for _, centre, _ in listed]
    dataset.WindowWidth = [width for _, _, width in listed]
    dataset.WindowCenterWidthExplanation = [name for name, _, _ in listed]


def coded(value: str, scheme: str, meaning: str) -> Sequence:
    """A sequence of one code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def part10(dataset: Dataset) -> bytes:
    """The file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
