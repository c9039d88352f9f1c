"""DICOM files to read: those shipped in pydicom's wheel, those of the shared folder where it is there, and our own."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from orthanc.cache import ReadCache
from orthanc.elements import read_part10

SHIPPED = Path(pydicom.__file__).parent / "data"
SHARED = Path("/work/shared/data")

# Files that no reader can follow, or that ours refuses on purpose (deflated); pydicom itself cannot read some.
NOT_READ = frozenset({"image_dfl.dcm", "meta_missing_tsyntax.dcm", "report_dfl", "6.dcm", "no_preamble_dicm_in_data"})
NOT_READ |= {"Issue1097_FailToOpenDeflatedFileWithSQ.dcm"}


def is_dicom(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(132)[128:] == b"DICM"


def written(dataset: Dataset) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some values are wrong on purpose
        dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


class Samples:
    """DICOM files, found and made; and their digests as the inbox computes them."""

    @staticmethod
    def good() -> Iterator[Path]:
        """Every DICOM file within reach, but those made to be bad."""
        for folder in (SHIPPED, SHARED):
            for file in sorted(folder.rglob("*")):
                if file.is_file() and "bad" not in file.parts and file.name not in NOT_READ and is_dicom(file):
                    yield file

    @staticmethod
    def bad() -> Iterator[Path]:
        """Files that were made to do harm."""
        yield from (file for file in sorted((SHARED / "bad").rglob("*")) if file.is_file() and is_dicom(file))

    @staticmethod
    def shipped(name: str) -> bytes:
        """A file of pydicom's wheel."""
        return (SHIPPED / "test_files" / name).read_bytes()

    @staticmethod
    def sha256(part10: bytes) -> str:
        return hashlib.sha256(part10[read_part10(part10).dataset_at :]).hexdigest()

    @staticmethod
    def md5(part10: bytes) -> str:
        return hashlib.md5(part10, usedforsecurity=False).hexdigest()

    @staticmethod
    def raw(keyword: str, text: str) -> RawDataElement:
        """An attribute as a device wrote it, right or wrong."""
        tag = Tag(keyword)
        value = text.encode() + b" " * (len(text.encode()) % 2)
        return RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)

    @staticmethod
    def fresh_uid() -> str:
        return str(generate_uid())[:48].rstrip(".")

    @staticmethod
    def made(number: int = 1, study: str = "1.2.3", **more: Any) -> bytes:
        """A small CT of our own, told apart by its number; `more` are attributes by keyword, None for none."""
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = more.pop("transfer_syntax", ExplicitVRLittleEndian)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{study}.1.{number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.1"
        dataset.PatientName, dataset.PatientID, dataset.Modality = "Synthetic^Sam", "S1", "CT"
        dataset.InstanceNumber = number
        dataset.Rows = dataset.Columns = 4
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.PixelData = bytes([number % 256, 1]) * 16
        for keyword, value in more.items():
            if value is None:
                del dataset[keyword]
            elif isinstance(value, RawDataElement):
                dataset[value.tag] = value
            else:
                setattr(dataset, keyword, value)
        if "PixelData" in dataset:
            dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
        return written(dataset)


@pytest.fixture(scope="session")
def samples() -> type[Samples]:
    """DICOM files, found and made."""
    return Samples


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ReadCache]:
    """A read cache of its own, without an archive."""
    opened = ReadCache(tmp_path / "cache", 1 << 40)
    yield opened
    opened.close()
