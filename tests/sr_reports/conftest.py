"""Reports to build, and the validators that judge them. A validator that is not installed fails the test."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from sr_reports.opinion import (
    Answer,
    Concordance,
    InstanceRef,
    Opinion,
    PriorReport,
    ReportContent,
    ReportUids,
    Request,
    SeriesSummary,
    Signer,
)
from sr_reports.reference import patient_and_study

OPINION = Opinion(
    findings="A 14 mm enhancing nodule lies in the left cerebellopontine angle.\n\nOtherwise:\n- ventricles normal\n"
    "- no midline shift",
    impression="1. Left vestibular schwannoma, 14 mm.\n2. No metastasis.",
    recommendations="MR in 6 months.",
    answers=(Answer("Is it growing?", "By 2 mm since 2024."),),
    concordance=Concordance.MINOR,
    concordance_comment="The first report calls it a meningioma.",
)
SIGNER = Signer(
    name="Keller^Anna^Maria^Dr",
    display_name="Dr Anna Keller",
    title="Consultant neuroradiologist",
    organization="Overread Reading Group",
    registration_number="1234567",
    registration_body="GMC",
)
REQUEST = Request(
    case_number="OR-123",
    subspecialty="neuroradiology",
    requested_by="City Hospital",
    reason="Second opinion before surgery.",
    history="Hearing loss on the left for two years.",
    questions=("Is it growing?",),
    received_on=date(2026, 11, 23),
)
SIGNED_AT = datetime(2026, 11, 24, 14, 5, 7, tzinfo=timezone(timedelta(hours=1)))
UIDS = ReportUids("2.25.1001", "2.25.1002", "2.25.1003", "2.25.1004")


@pytest.fixture
def shipped() -> Callable[[str], bytes]:
    """One of the files that pydicom brings along, as bytes."""

    def read(name: str) -> bytes:
        found = get_charset_files(name) or [get_testdata_file(name)]
        assert isinstance(found[0], str), f"pydicom ships no {name}"
        return Path(found[0]).read_bytes()

    return read


@pytest.fixture
def header() -> Callable[..., bytes]:
    """A chest radiograph's header with the attributes given; None leaves one out."""

    def make(**attributes: object) -> bytes:
        dataset = Dataset()
        usual = {
            "SpecificCharacterSet": "ISO_IR 192",
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1",
            "SOPInstanceUID": "1.2.826.0.1.3680043.2.1125.1.3",
            "StudyInstanceUID": "1.2.826.0.1.3680043.2.1125.1.1",
            "SeriesInstanceUID": "1.2.826.0.1.3680043.2.1125.1.2",
            "Modality": "DX",
            "PatientName": "Okafor^Grace",
            "PatientID": "LDN-44",
            "PatientBirthDate": "19610312",
            "PatientSex": "F",
            "StudyDate": "20261119",
            "StudyTime": "081500",
            "StudyID": "7",
            "AccessionNumber": "A2026-11873",
            "ReferringPhysicianName": "Lindqvist^Erik",
            "StudyDescription": "Chest PA",
        }
        for keyword, value in {**usual, **attributes}.items():
            if value is not None:
                setattr(dataset, keyword, value)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        buffer = BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()

    return make


@pytest.fixture
def content(header: Callable[..., bytes]) -> Callable[..., ReportContent]:
    """A complete report with anything replaced; `images` instances of the reference's study are its evidence."""

    def make(images: int = 2, **changes: object) -> ReportContent:
        reference = changes.pop("reference", None) or header()
        assert isinstance(reference, bytes)
        study_uid = str(patient_and_study(reference).StudyInstanceUID)
        complete = ReportContent(
            opinion=OPINION,
            signer=SIGNER,
            request=REQUEST,
            uids=UIDS,
            signed_at=SIGNED_AT,
            evidence=tuple(
                InstanceRef(
                    study_uid, "1.2.826.0.1.3680043.2.1125.1.2", "1.2.840.10008.5.1.4.1.1.1.1", f"2.25.{5000 + i}"
                )
                for i in range(images)
            ),
            series=(SeriesSummary("DX", "PA and lateral", images),),
            reference=reference,
            received_until=SIGNED_AT - timedelta(hours=2),
            prior_report=PriorReport(
                "Extra-axial mass, probably meningioma.", "Dr J. Smith", "20261112", "City Hospital"
            ),
        )
        return replace(complete, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def dciodvfy(tmp_path: Path) -> Callable[[bytes], list[str]]:
    """The errors that dciodvfy finds in a Part 10 file."""

    def errors(part10: bytes) -> list[str]:
        (tmp_path / "judged.dcm").write_bytes(part10)
        run = subprocess.run(["dciodvfy", "-new", tmp_path / "judged.dcm"], capture_output=True, text=True, check=False)
        told = (run.stdout + run.stderr).splitlines()
        assert told, "dciodvfy said nothing, not even which object it saw"
        return [line for line in told if line.startswith("Error")]

    return errors


@pytest.fixture
def dsrdump(tmp_path: Path) -> Callable[[bytes], str]:
    """The SR as DCMTK prints it; an error of DCMTK's fails the test."""

    def dump(part10: bytes) -> str:
        (tmp_path / "judged.dcm").write_bytes(part10)
        run = subprocess.run(
            ["dsrdump", "+Pl", "+U8", tmp_path / "judged.dcm"], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        assert "E: " not in run.stderr
        return run.stdout

    return dump


@pytest.fixture
def pdf_text(tmp_path: Path) -> Callable[[bytes], str]:
    """The text of a PDF as poppler reads it, in single blanks."""

    def read(pdf: bytes) -> str:
        (tmp_path / "read.pdf").write_bytes(pdf)
        run = subprocess.run(["pdftotext", tmp_path / "read.pdf", "-"], capture_output=True, text=True, check=True)
        assert run.stderr == ""
        return " ".join(run.stdout.split())

    return read


@pytest.fixture
def parsed() -> Callable[[bytes], Dataset]:
    """A Part 10 file as a dataset."""
    return lambda part10: dcmread(BytesIO(part10))
