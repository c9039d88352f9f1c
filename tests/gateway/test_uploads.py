"""What a patient uploads: files and zips of CDs, by the same door as everything else, into their own case."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from gateway.portal.services import Outcome
from gateway.uploads import Uploads
from worklist import cases, lifecycle
from worklist.cases import RequestText
from worklist.models import Case, CaseStudy
from worklist.states import CaseState

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def patient(people):
    return people.patient()


@pytest.fixture
def case_id(world, patient) -> int:
    with world.database.writing() as session:
        return cases.start(session, patient, RequestText("why", "", ())).id


@pytest.fixture
def keep(world, patient, case_id, tmp_path: Path):
    """`keep(content, name)`: the verdicts, as (name, outcome), over a file with this content."""
    uploads = Uploads(world.database, world.inbox, world.folders.uploads)

    def upload(content: bytes, name: str = "IM1", who=None, case: int = 0):
        file = tmp_path / "uploaded"
        file.write_bytes(content)
        return uploads.keep(who or patient, case or case_id, file, name)

    return upload


def zipped(tmp_path: Path, entries: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = tmp_path / "made.zip"
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.read_bytes()


def told(verdicts) -> dict[str, Outcome]:
    return {each.name: each.outcome for each in verdicts}


def test_an_image_is_in_the_inbox_for_this_case_and_ends_in_no_other(world, keep, make, case_id, patient) -> None:
    image = make()
    assert told(keep(image)) == {"IM1": Outcome.STORED}
    (entry,) = world.inbox.waiting(10)
    assert (entry.arrival.origin, entry.arrival.sender) == (f"case:{case_id}", "upload")
    with world.database.writing() as session:
        session.add(Case(patient_id=patient.person_id, state=CaseState.DRAFT))
    world.carry()
    with world.database.reading() as session:
        assert [each.case_id for each in session.query(CaseStudy)] == [case_id]
    assert told(keep(image)) == {"IM1": Outcome.KNOWN}
    assert world.waiting() == 0


def test_of_a_cd_as_zip_the_images_are_taken_and_the_rest_is_named_and_skipped(world, keep, make, tmp_path) -> None:
    images = {f"DICOM/IM{number}": make() for number in range(3)}
    others = {"DICOMDIR": directory(), "AUTORUN.INF": b"[autorun]", "viewer.exe": b"MZ" + bytes(500), "empty": b""}
    verdicts = keep(zipped(tmp_path, images | others), "cd.zip")
    assert told(verdicts) == dict.fromkeys(images, Outcome.STORED) | dict.fromkeys(others, Outcome.SKIPPED)
    assert world.waiting() == 3
    assert list(world.folders.uploads.iterdir()) == [], "nothing is left of what was unpacked"
    reasons = {each.name: each.reason for each in verdicts}
    assert "table of contents" in reasons["DICOMDIR"]
    assert reasons["viewer.exe"] == "not a DICOM image"


def directory() -> bytes:
    from io import BytesIO

    from pydicom import dcmwrite
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

    made = Dataset()
    made.FileSetID, made.DirectoryRecordSequence = "CD", []
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    out = BytesIO()
    dcmwrite(out, made, enforce_file_format=True)
    return out.getvalue()


def test_an_image_that_cannot_be_taken_is_refused_with_a_reason(keep, make) -> None:
    cut = make()[:-40]
    (verdict,) = keep(cut, "cut.dcm")
    assert (verdict.name, verdict.outcome) == ("cut.dcm", Outcome.REFUSED)
    assert verdict.reason


@pytest.mark.parametrize(
    "how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["deflate", "bz2", "lzma"]
)
def test_a_damaged_entry_spoils_no_other(world, keep, make, tmp_path, how: int) -> None:
    """zlib's and lzma's own errors once ended the whole upload."""
    content = bytearray(zipped(tmp_path, {"bad": make(), "good": make()}, how))
    start = content.index(b"bad") + 3
    content[start + 20 : start + 60] = b"\xff" * 40
    assert told(keep(bytes(content), "cd.zip")) == {"bad": Outcome.REFUSED, "good": Outcome.STORED}
    assert world.waiting() == 1


def test_a_zip_that_is_no_zip_any_more_is_called_by_its_name(keep, make, tmp_path) -> None:
    """It was once called by the name of our temporary file."""
    content = bytearray(zipped(tmp_path, {f"IM{number}": make() for number in range(3)}))
    at = content.rindex(b"PK\x01\x02")
    content[at : at + 4] = b"XXXX"
    assert told(keep(bytes(content), "my-cd.zip")) == {"my-cd.zip": Outcome.REFUSED}


def test_names_in_a_zip_lead_nowhere(world, keep, make, tmp_path) -> None:
    verdicts = keep(zipped(tmp_path, {"../../../etc/evil": make(), "/abs/olute": make()}), "cd.zip")
    assert {each.outcome for each in verdicts} == {Outcome.STORED}
    assert not (tmp_path / "etc").exists()
    assert world.waiting() == 2


def test_a_bomb_is_not_unpacked(world, keep, tmp_path) -> None:
    bomb = zipped(tmp_path, {f"zeros{number}": bytes(30 << 20) for number in range(6)})
    (verdict,) = keep(bomb, "bomb.zip")
    assert (verdict.name, verdict.outcome) == ("bomb.zip", Outcome.REFUSED)
    assert world.waiting() == 0


def test_only_the_patient_of_the_case_uploads_and_only_until_it_is_read(world, people, keep, make, case_id) -> None:
    with pytest.raises(lifecycle.NotFound):
        keep(make(), who=people.patient())
    with pytest.raises(lifecycle.NotAllowed):
        keep(make(), who=people.coordinator())
    with world.database.writing() as session:
        session.get_one(Case, case_id).state = CaseState.READY
    with pytest.raises(lifecycle.WrongState):
        keep(make())
    assert world.waiting() == 0


def test_a_deflated_file_is_refused_and_explained(keep, make, tmp_path) -> None:
    file = tmp_path / "deflated.dcm"
    file.write_bytes(make())
    image = dcmread(file)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.save_as(file)
    (verdict,) = keep(file.read_bytes(), "deflated.dcm")
    assert verdict.outcome in {Outcome.REFUSED, Outcome.SKIPPED}
    assert verdict.reason


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", ""])
def test_an_upload_is_a_file_whatever_its_media_type_says(web, people, media_type) -> None:
    """curl calls every body a form; looking for text in it once ate the file."""
    patient = people.patient()
    case_id = web.ask(patient, "POST", "/api/v1/cases", json={"reason": "x"}).json["id"]
    answer = web.ask(
        patient, "POST", f"/cases/{case_id}/files?name=one.dcm", data=web.world.make(), content_type=media_type
    )
    assert [one["outcome"] for one in answer.json["verdicts"]] == ["stored"]
