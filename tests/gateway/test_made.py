"""What a reader saves from the viewer: in their case, in a series of their own, seen again, offered to the report."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    TrackingIdentifier,
)
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import generate_uid

from dicomweb.keeping import FailureReason
from scp.arrival import VIEWER
from worklist.added import images_version
from worklist.models import AuditLine, Case, Series, Study
from worklist.papers import SAVED
from worklist.states import CaseState

TYPE = 'multipart/related; type="application/dicom"; boundary=guid'


def measured(image: Dataset, **said: Any) -> bytes:
    """An SR as OHIF writes it: TID 1500 with one length, the patient without the issuer of the Patient ID."""
    length = Measurement(CodedConcept("410668003", "SCT", "Length"), 23.414, CodedConcept("mm", "UCUM", "millimeter"))
    group = MeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(generate_uid(), "Cornerstone3DTools@^0.1.0:Length"),
        finding_type=CodedConcept("108369006", "SCT", "Neoplasm"),
        finding_sites=[FindingSite(CodedConcept("80891009", "SCT", "Left lung"))],
        measurements=[length],
    )
    content = MeasurementReport(ObservationContext(), CodedConcept("77477000", "SCT", "CT"), [group])
    made = ComprehensiveSR(
        [image], content[0], series_instance_uid=generate_uid(), series_number=99, sop_instance_uid=generate_uid(),
        instance_number=1, manufacturer="OHIF",
    )  # fmt: skip
    made.SeriesDescription = "Measurements"
    if "IssuerOfPatientID" in made:
        del made.IssuerOfPatientID
    for keyword, value in said.items():
        setattr(made, keyword, value)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    out = BytesIO()
    dcmwrite(out, made, enforce_file_format=True)
    return out.getvalue()


def body(*parts: bytes) -> bytes:
    """As OHIF writes it: CRLF before the first boundary, none after the last."""
    head = b"\r\n--guid\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + part for part in parts) + b"\r\n--guid--"


@pytest.fixture
def image(make) -> Dataset:
    return dcmread(BytesIO(make()))


@pytest.fixture
def held(web, people, image) -> tuple[Any, int]:
    """A reader, and the case that they hold."""
    out = BytesIO()
    dcmwrite(out, image, enforce_file_format=True)
    reader = people.reader()
    return reader, web.world.held_case(reader, people.site(), out.getvalue())


def save(web, who, case_id: int | None, *parts: bytes) -> Any:
    root = f"/dicom-web/cases/{case_id}" if case_id else "/dicom-web"
    return web.ask(who, "POST", f"{root}/studies", data=body(*parts), content_type=TYPE)


def reasons(answer: Any) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer.json["00081198"]["Value"]]


@pytest.mark.parametrize("root", ["case", "plain"])
def test_measurements_are_saved_seen_again_and_no_image(web, held, image, root) -> None:
    reader, case_id = held
    part = measured(image)
    made = dcmread(BytesIO(part))
    assert save(web, reader, case_id if root == "case" else None, part).status_code == 200
    web.world.carry()
    assert web.world.troubles() == []
    metadata = f"/dicom-web/cases/{case_id}/studies/{image.StudyInstanceUID}/series/{made.SeriesInstanceUID}/metadata"
    seen = web.ask(reader, "GET", metadata).json
    assert [one["00080018"]["Value"] for one in seen] == [[made.SOPInstanceUID]]
    with web.database.reading() as session:
        row = session.query(Series).filter_by(series_uid=made.SeriesInstanceUID).one()
        assert (row.ours, row.made_by) == (True, reader.person_id)
        case = session.get_one(Case, case_id)
        assert images_version(case) == 1
        line = session.query(AuditLine).filter_by(action="save from the viewer").one()
        assert (line.person_id, line.case_id) == (reader.person_id, case_id)


def test_saving_again_changes_nothing(web, held, image) -> None:
    reader, case_id = held
    part = measured(image)
    for _ in range(2):
        assert save(web, reader, case_id, part).status_code == 200
        web.world.carry()
    with web.database.reading() as session:
        assert session.query(AuditLine).filter_by(action="save from the viewer").count() == 1
    assert len(web.world.instances()) == 2


def test_the_page_of_the_case_offers_what_was_measured_to_the_findings(web, held, image) -> None:
    reader, case_id = held
    save(web, reader, case_id, measured(image))
    web.world.carry()
    page = web.ask(reader, "GET", f"/cases/{case_id}").get_data(as_text=True)
    assert 'data-insert="Neoplasm, Left lung: Length 23.41 mm"' in page
    assert web.ask(reader, "GET", f"/cases/{case_id}/saved").status_code == 200


def test_a_report_is_about_what_was_sent_not_about_what_was_saved(web, held, image) -> None:
    reader, case_id = held
    save(web, reader, case_id, measured(image))
    web.world.carry()
    web.world.sign(reader, case_id)
    with web.database.reading() as session:
        evidence = session.get_one(Case, case_id).reports[0].content["evidence"]
    assert [one["sop_uid"] for one in evidence] == [image.SOPInstanceUID]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, FailureReason.CLASS_NOT_SUPPORTED),
        ({"StudyInstanceUID": "1.2.3"}, FailureReason.OTHER_STUDY),
        ({"PatientID": "P-2"}, FailureReason.OTHER_PATIENT),
    ],
)
def test_a_reader_saves_no_image_and_nothing_of_another_study_or_patient(web, held, image, said, reason) -> None:
    reader, case_id = held
    answer = save(web, reader, case_id, measured(image, **said))
    assert (answer.status_code, reasons(answer)) == (409, [reason])
    assert web.world.waiting() == 0


def test_nothing_is_saved_into_a_series_that_was_sent_or_over_another_content(web, held, image) -> None:
    reader, case_id = held
    theirs = save(web, reader, case_id, measured(image, SeriesInstanceUID=image.SeriesInstanceUID))
    assert reasons(theirs) == [FailureReason.OTHER_SERIES]
    again = save(web, reader, case_id, measured(image, SOPInstanceUID=image.SOPInstanceUID))
    assert reasons(again) == [FailureReason.PROCESSING_FAILURE]
    assert web.world.waiting() == 0


def test_what_slipped_into_a_series_that_is_sent_meanwhile_is_kept_aside(web, held, image, make) -> None:
    """The door saw no such series; by the time of ingest the hospital had sent one."""
    reader, case_id = held
    series = generate_uid()
    assert save(web, reader, case_id, measured(image, SeriesInstanceUID=series)).status_code == 200
    waiting = web.world.inbox.waiting(10)[0]
    late = make(StudyInstanceUID=image.StudyInstanceUID, SeriesInstanceUID=series)
    with web.database.writing() as session:
        study = web.world.studies()[0]
        session.add(Series(study_id=study.id, series_uid=series))
    web.world.receive(late, study.origin)
    web.world.carry()
    assert [one.key for one in web.world.troubles()] == [waiting.key]


def test_what_a_reader_saved_in_vain_is_told_to_the_reader_and_not_to_the_hospital(web, held, image, people):
    """The hospital found an object among what it had sent that it had never seen."""
    reader, case_id = held
    series = generate_uid()
    save(web, reader, case_id, measured(image, SeriesInstanceUID=series))
    with web.database.writing() as session:
        study = session.query(Study).one()
        session.add(Series(study_id=study.id, series_uid=series))
    web.world.carry()
    site = people.hospital(int(study.origin.removeprefix("site:")))
    said = "1 object saved from the viewer was not taken"
    assert said in web.ask(reader, "GET", f"/cases/{case_id}").text
    for path in (f"/cases/{case_id}", "/arrivals", "/site"):
        page = web.ask(site, "GET", path).text
        assert said not in page, path
        assert "made in the viewer" not in page, path
    assert web.ask(site, "GET", "/api/v1/arrivals").json["studies"][0]["not_taken"] == []


@pytest.mark.parametrize("batch", ["in one batch", "later"])
def test_what_a_hospital_sends_into_a_readers_series_does_not_show_the_paper(web, held, image, make, people, batch):
    """The whole series was one like any other then: patient and hospital saw what a reader had measured."""
    reader, case_id = held
    part = measured(image)
    paper = dcmread(BytesIO(part)).SeriesInstanceUID
    save(web, reader, case_id, part)
    if batch == "later":
        web.world.carry()
    with web.database.reading() as session:
        origin = session.query(Case).one().studies[0].origin
    web.world.receive(make(StudyInstanceUID=image.StudyInstanceUID, SeriesInstanceUID=paper), origin)
    web.world.carry()
    assert [each.reason for each in web.world.troubles()] == [
        "It says that it is part of a series that a reader made here."
    ]
    site = people.hospital(int(origin.removeprefix("site:")))
    assert_papers(web, case_id, paper, sees=(reader, people.coordinator()), not_seen_by=(site,))


def test_to_whoever_does_not_see_a_paper_nothing_says_that_there_is_one(web, held, image, people) -> None:
    """Neither by an ETag: the version of the study grows with what is saved."""
    reader, case_id = held
    site = people.hospital(int(web.world.studies()[0].origin.removeprefix("site:")))
    study = f"/dicom-web/cases/{case_id}/studies/{image.StudyInstanceUID}"
    paths = (study, f"{study}/metadata", f"{study}/series/{image.SeriesInstanceUID}/metadata", f"{study}/series")

    def told(who: Any, path: str) -> tuple[int, str | None, int]:
        answer = web.ask(who, "GET", path)
        return answer.status_code, answer.headers.get("ETag"), len(answer.get_data())

    before = [told(site, path) for path in paths]
    save(web, reader, case_id, measured(image))
    web.world.carry()
    assert [told(site, path) for path in paths] == before
    assert told(reader, f"{study}/metadata") != before[1]


def test_the_sender_of_what_readers_save_is_called_the_same_everywhere() -> None:
    assert SAVED == VIEWER


def test_only_who_holds_the_case_saves_into_it(web, held, image, people) -> None:
    reader, case_id = held
    part = measured(image)
    for who, status in ((people.coordinator(), 403), (people.reader(), 404), (people.patient(), 404)):
        assert save(web, who, case_id, part).status_code == status
        assert save(web, who, None, part).status_code == 403
    with web.database.writing() as session:
        session.get_one(Case, case_id).state = CaseState.SIGNED
    assert save(web, reader, case_id, part).status_code == 403
    assert web.world.waiting() == 0


def test_the_api_says_who_may_save_for_the_viewer_to_ask(web, held, people) -> None:
    reader, case_id = held
    ask = [web.ask(who, "GET", f"/api/v1/cases/{case_id}").json["may_save"] for who in (reader, people.coordinator())]
    assert ask == [True, False]
    with web.database.writing() as session:
        session.get_one(Case, case_id).state = CaseState.SIGNED
    assert web.ask(reader, "GET", f"/api/v1/cases/{case_id}").json["may_save"] is False


def test_what_was_saved_is_a_working_paper_of_whoever_reads_the_case(web, held, image, people) -> None:
    """Its patient, its site and readers to come saw it over DICOMweb and API before anything was signed."""
    reader, case_id = held
    part = measured(image)
    paper = dcmread(BytesIO(part)).SeriesInstanceUID
    save(web, reader, case_id, part)
    web.world.carry()
    owner = people.patient()
    with web.database.writing() as session:
        case = session.get_one(Case, case_id)
        site_id, case.patient_id = case.site_id, owner.person_id
    others = (owner, people.hospital(site_id))
    assert_papers(web, case_id, paper, sees=(reader, people.coordinator()), not_seen_by=others)
    web.world.release(case_id)
    assert_papers(web, case_id, paper, sees=(people.coordinator(),), not_seen_by=(*others, reader))
    with web.database.writing() as session:
        session.get_one(Case, case_id).reader_id = reader.person_id
        session.get_one(Case, case_id).state = CaseState.CLAIMED
    web.world.sign(reader, case_id)
    assert_papers(web, case_id, paper, sees=(reader, people.coordinator()), not_seen_by=others)


def assert_papers(web, case_id: int, series_uid: str, *, sees: Any, not_seen_by: Any) -> None:
    """Over DICOMweb, in the API and on the page alike."""
    for who in (*sees, *not_seen_by):
        searched = web.ask(who, "GET", f"/dicom-web/cases/{case_id}/series?SeriesInstanceUID={series_uid}").json
        told = web.ask(who, "GET", f"/api/v1/cases/{case_id}").get_data(as_text=True)
        page = web.ask(who, "GET", f"/cases/{case_id}").get_data(as_text=True)
        found = (len(searched), series_uid in told, 'id="saved-title"' in page)
        assert found == ((1, True, True) if who in sees else (0, False, False)), who
