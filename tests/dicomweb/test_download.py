"""Claims about the zip of a study: all of it, byte for byte, found by its DICOMDIR, and by nobody without rights."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

import pydicom
import pytest
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid


def unpacked(world, sent, folder: Path) -> Path:
    answer = world.get(f"/studies/{sent.study_uid}/images.zip")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="images.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        packed.extractall(folder)
    return folder


@pytest.fixture
def file_set():
    """`file_set(folder)`: what pydicom reads of its DICOMDIR; the folder that pydicom makes beside it goes with it."""
    made = []

    def read(folder):
        made.append(FileSet(folder / "DICOMDIR"))
        return made[-1]

    yield read
    for one in made:
        one._stage["t"].cleanup()


def test_a_study_comes_as_files_that_its_dicomdir_leads_to(world, file_set, tmp_path):
    study, series = generate_uid(), generate_uid()
    patient = {"PatientName": "Müller^Jörg", "PatientID": "P 1", "SpecificCharacterSet": "ISO_IR 192"}
    sent = [world.instance("CT_small.dcm", study, series, InstanceNumber=n, **patient) for n in (1, 2, 3)]
    sent.append(world.instance("reportsi.dcm", study, **patient))
    sent.append(world.instance("JPEG2000.dcm", study, **patient))
    world.study(*sent)
    folder = unpacked(world, sent[0], tmp_path)
    found = file_set(folder)
    assert len(found) == len(sent)
    assert {one.SOPInstanceUID: Path(one.path).read_bytes() for one in found} == {
        one.sop_uid: one.part10 for one in sent
    }
    assert found.find_values("PatientName") == ["Müller^Jörg"]
    assert sorted(found.find_values("SeriesInstanceUID")) == sorted({one.series_uid for one in sent})
    kinds = {str(record.DirectoryRecordType) for record in pydicom.dcmread(folder / "DICOMDIR").DirectoryRecordSequence}
    assert kinds == {"PATIENT", "STUDY", "SERIES", "IMAGE", "SR DOCUMENT"}


def test_dcmtk_reads_the_directory(world, tmp_path):
    sent = [world.instance("CT_small.dcm", generate_uid())]
    world.study(*sent)
    folder = unpacked(world, sent[0], tmp_path)
    said = subprocess.run(["dcmdump", folder / "DICOMDIR"], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    assert sent[0].sop_uid in said.stdout


def test_what_says_little_of_itself_is_in_the_directory_too(world, file_set, tmp_path):
    sent = world.instance("CT_small.dcm", generate_uid(), InstanceNumber=None, StudyDate="", StudyID="")
    world.study(sent)
    (record,) = file_set(unpacked(world, sent, tmp_path))
    assert record.SOPInstanceUID == sent.sop_uid


def test_nobody_gets_a_study_that_is_not_theirs(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    path = f"/studies/{sent.study_uid}/images.zip"
    assert world.get(path, "chest").status_code == 404
    assert world.get(path, "nobody").status_code == 401
    assert world.get(f"/studies/{generate_uid()}/images.zip").content == world.get(path, "chest").content
    assert world.get(path).status_code == 200
    assert world.accesses[-1].action == "download_study"
