"""A request of a patient or a hospital: written, changed, given its images, handed in."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select

from worklist.models import Case, Trouble
from worklist.states import CaseState

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

WRITTEN = {
    "reason": "To be sure.",
    "history": "Since May.\r\nWorse now.",
    "question": ["Is it torn?", " ", "What next?"],
}


def start(web: Any, patient: Any) -> int:
    answer = web.ask(patient, "POST", "/requests/new", data=WRITTEN)
    assert answer.status_code == 303
    return int(answer.headers["Location"].rpartition("/")[2])


def send(web: Any, who: Any, case: int, name: str, content: bytes) -> Any:
    return web.ask(who, "POST", f"/cases/{case}/files", query_string={"name": name}, data=content)


def verdicts(answer: Any) -> list[tuple[str, str, str]]:
    assert answer.status_code == 200, answer.text
    return [(each["name"], each["outcome"], each["reason"]) for each in answer.json["verdicts"]]


def test_a_patient_writes_a_request_and_changes_it(web: Any) -> None:
    patient = web.people.patient()
    case = start(web, patient)
    with web.database.reading() as session:
        row = session.get_one(Case, case)
        assert (row.state, row.patient_id) == (CaseState.DRAFT, patient.person_id)
        assert (row.history, row.questions) == ("Since May.\nWorse now.", ["Is it torn?", "What next?"])
    assert "Since May." in web.ask(patient, "GET", f"/cases/{case}/request").text
    web.ask(patient, "POST", f"/cases/{case}/request", data=WRITTEN | {"reason": "Another reason."})
    assert "Another reason." in web.ask(patient, "GET", f"/cases/{case}").text
    assert "Another reason." in web.ask(patient, "GET", "/requests").text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": "  "}, "why you would like a second opinion"),
        ({"question": [f"Question {number}?" for number in range(6)]}, "At most 5 questions"),
        ({"history": "x" * 20_001}, "This is too long: 20,001 characters"),
    ],
)
def test_what_cannot_stay_so_is_said_beside_its_field_and_nothing_written_is_lost(
    web: Any, change: dict[str, Any], said: str
) -> None:
    answer = web.ask(web.people.patient(), "POST", "/requests/new", data=WRITTEN | change)
    assert answer.status_code == 400
    assert said in answer.text
    kept = str((WRITTEN | change)["history"]).split("\r")[0]
    assert kept in answer.text


def test_a_request_that_is_being_read_cannot_be_changed(web: Any) -> None:
    patient, reader = web.people.patient(), web.people.reader()
    case = start(web, patient)
    with web.database.writing() as session:
        row = session.get_one(Case, case)
        row.state, row.reader_id = CaseState.CLAIMED, reader.person_id
    assert web.ask(patient, "GET", f"/cases/{case}/request").status_code == 409
    assert web.ask(patient, "POST", f"/cases/{case}/request", data=WRITTEN).status_code == 409
    assert send(web, patient, case, "a.dcm", b"x").status_code == 409


def test_a_hospital_adds_history_and_questions_to_its_own_case_only(web: Any) -> None:
    site = web.people.site()
    with web.database.writing() as session:
        row = Case(site_id=site, state=CaseState.READY, subspecialty="neuroradiology")
        session.add(row)
        session.flush()
        case = row.id
    stranger = web.people.hospital(web.people.site())
    unexplained = web.ask(web.people.hospital(site), "POST", f"/cases/{case}/request", data=WRITTEN | {"reason": ""})
    assert "why a second opinion is asked for" in unexplained.text
    assert not [
        word for word in ("your history", "your questions", "you would like") if word in unexplained.text.lower()
    ]
    assert web.ask(stranger, "POST", f"/cases/{case}/request", data=WRITTEN).status_code == 404
    assert web.ask(web.people.hospital(site), "POST", f"/cases/{case}/request", data=WRITTEN).status_code == 303
    assert "Is it torn?" in web.ask(web.people.reader(), "GET", f"/cases/{case}").text


def test_each_uploaded_file_gets_its_verdict(web: Any, make: Callable[..., bytes]) -> None:
    patient = web.people.patient()
    case, image = start(web, patient), make()
    assert verdicts(send(web, patient, case, "CD/DICOM/IM1", image)) == [("CD/DICOM/IM1", "stored", "")]
    assert web.world.waiting() == 1
    assert verdicts(send(web, patient, case, "CD/autorun.inf", b"[autorun]"))[0][1:] == (
        "skipped", "not a DICOM image",
    )  # fmt: skip
    assert verdicts(send(web, patient, case, "CD/IM2", image[:700]))[0][1] == "refused"
    web.world.carry()
    assert verdicts(send(web, patient, case, "CD/DICOM/IM1", image))[0][1] == "known"
    assert "1 series, 1 image" in web.ask(patient, "GET", f"/cases/{case}/images").text


def test_every_entry_of_a_zip_gets_its_verdict(web: Any, make: Callable[..., bytes]) -> None:
    patient = web.people.patient()
    case, packed = start(web, patient), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("DICOM/1", make())
        archive.writestr("DICOM/2", make())
        archive.writestr("viewer.exe", b"MZ")
    found = verdicts(send(web, patient, case, "cd.zip", packed.getvalue()))
    assert [(name, outcome) for name, outcome, _ in found] == [
        ("DICOM/1", "stored"), ("DICOM/2", "stored"), ("viewer.exe", "skipped"),
    ]  # fmt: skip


def test_nobody_uploads_into_the_case_of_another(web: Any, make: Callable[..., bytes]) -> None:
    case = start(web, web.people.patient())
    assert send(web, web.people.patient(), case, "a", make()).status_code == 404
    assert send(web, web.people.coordinator(), case, "a", make()).status_code == 404
    assert web.world.waiting() == 0


def test_an_upload_leaves_nothing_behind_on_its_way(web: Any, make: Callable[..., bytes]) -> None:
    patient = web.people.patient()
    case = start(web, patient)
    for content in (make(), b"nothing", b""):
        assert send(web, patient, case, "../../../etc/passwd", content).status_code == 200
    assert list(web.world.folders.uploads.iterdir()) == []


def test_an_upload_is_being_checked_then_in_the_request_or_kept_aside(web: Any, make: Callable[..., bytes]) -> None:
    """The page once said "arrived" of images that were all in quarantine."""
    patient, uid = web.people.patient(), generate_uid()
    case = start(web, patient)
    send(web, patient, case, "IM1", make(StudyInstanceUID=uid))
    send(web, patient, case, "IM2", make(StudyInstanceUID=uid, PatientID="P-2"))
    page = f"/cases/{case}/images"
    assert "2 images are received and being checked" in web.ask(patient, "GET", page).text
    web.world.carry()
    text = web.ask(patient, "GET", page).text
    assert "1 image is in your request." in text
    assert "1 image was kept aside, not in your request" in text
    assert "being checked" not in text


def test_a_request_without_an_image_is_not_handed_in(web: Any, make: Callable[..., bytes]) -> None:
    patient = web.people.patient()
    case = start(web, patient)
    page, api = f"/cases/{case}/submit", f"/api/v1/cases/{case}/submit"

    def refused() -> str:
        answer = web.ask(patient, "POST", api)
        assert (answer.status_code, answer.json["title"]) == (409, "There are no images yet")
        assert web.ask(patient, "POST", page).status_code == 303
        with web.database.reading() as session:
            assert session.get_one(Case, case).state is CaseState.DRAFT
        return str(answer.json["detail"])

    assert "Add your images" in refused()
    send(web, patient, case, "IM1", make())
    assert web.ask(patient, "POST", api).json["state"] == "AWAITING_IMAGES"


def test_a_request_sent_while_its_images_were_checked_says_what_it_lacks(web: Any, make: Callable[..., bytes]) -> None:
    """The request could once not be sent in the second or two in which the upload was being checked."""
    patient, uid = web.people.patient(), generate_uid()
    case, other = start(web, patient), start(web, patient)
    send(web, patient, case, "IM1", make(StudyInstanceUID=uid))
    web.world.carry()
    send(web, patient, case, "IM2", make(StudyInstanceUID=uid, PatientID="P-2"))
    web.world.carry()
    with web.database.writing() as session:  # the one that was kept aside stands for the only image of another request
        aside = session.scalars(select(Trouble)).one()
        aside.origin = f"case:{other}"
    page = f"/cases/{other}/images"
    assert "and cannot be sent." in web.ask(patient, "GET", page).text
    with web.database.writing() as session:
        session.get_one(Case, other).state = CaseState.AWAITING_IMAGES
    assert "a specialist sees it once you have added one." in web.ask(patient, "GET", page).text


@pytest.mark.parametrize(
    ("other", "patient_hears", "reader_hears"),
    [
        ({"PatientName": "Other^Ann"}, "Are all these images yours?", "may be of different people"),
        ({"PatientBirthDate": "19870203"}, "born 3 February 1987", "born 3 February 1987"),
        ({"PatientID": "P-2"}, "", "carry different patient IDs"),
        ({"PatientName": "SAMPLE^PAT^^", "PatientBirthDate": ""}, "", ""),
    ],
)
def test_studies_of_different_people_in_one_request_are_pointed_out(
    web: Any, make: Callable[..., bytes], other: dict[str, str], patient_hears: str, reader_hears: str
) -> None:
    patient, reader = web.people.patient(), web.people.reader()
    case = start(web, patient)
    for image in (make(), make(**other)):
        send(web, patient, case, "IM", image)
    web.world.carry()
    heard = {"patient": web.ask(patient, "GET", f"/cases/{case}").text}
    with web.database.writing() as session:
        row = session.get_one(Case, case)
        row.state, row.subspecialty = CaseState.READY, "neuroradiology"
    for who in (reader, web.people.coordinator()):
        heard["reader"] = web.ask(who, "GET", f"/cases/{case}").text
        assert ('id="identities"' in heard["reader"]) is bool(reader_hears)
        assert reader_hears in heard["reader"]
    assert ('id="identities"' in heard["patient"]) is bool(patient_hears)
    assert patient_hears in heard["patient"]


def test_a_request_is_handed_in_and_taken_back(web: Any, make: Callable[..., bytes]) -> None:
    patient = web.people.patient()
    case = start(web, patient)
    send(web, patient, case, "IM1", make())
    web.world.carry()
    assert "Nobody looks at it before you send it." in web.ask(patient, "GET", f"/cases/{case}").text
    web.ask(patient, "POST", f"/cases/{case}/submit")
    assert "We are checking your images" in web.ask(patient, "GET", f"/cases/{case}").text
    web.ask(patient, "POST", f"/cases/{case}/withdraw")
    assert "You have withdrawn this request" in web.ask(patient, "GET", f"/cases/{case}").text


def test_who_asked_reads_why_a_case_was_cancelled(web: Any, make: Callable[..., bytes]) -> None:
    """The reason stood in a history that coordinators alone see."""
    patient, boss = web.people.patient(), web.people.coordinator()
    case = start(web, patient)
    send(web, patient, case, "IM1", make())
    web.world.carry()
    web.ask(patient, "POST", f"/cases/{case}/submit")
    web.ask(boss, "POST", f"/cases/{case}/cancel", data={"reason": "You sent it twice."})
    for who in (patient, boss):
        assert "You sent it twice." in web.ask(who, "GET", f"/cases/{case}").text.partition("History")[0]
