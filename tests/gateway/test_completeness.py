"""What is missing in a study is found from real images, and said on the case."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from gateway.completeness import Completeness
from gateway.portal.remarks import WORDS, remarks_in_words
from worklist.completeness import Kind
from worklist.models import Case, CaseStudy, Series, Study, now
from worklist.states import CaseState

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def study(world, people):
    """Sends slices of one series, 2 mm apart, without some of them; answers what sends more into the same study."""
    site, uids = people.site(), {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}

    def send(numbers, **said):
        for number in numbers:
            place = {"ImagePositionPatient": [-100, -100, 2.0 * number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
            world.receive(world.make(InstanceNumber=number, **uids | place | said), f"site:{site}")
        world.carry()
        with world.database.writing() as session:
            session.query(Study).one().settled = True

    return send


def remarks(world):
    while Completeness(world.database, world.cache).step():
        pass
    return [(one["kind"], one["count"]) for one in world.studies()[0].remarks]


@ONE_ENGINE
def test_a_gap_is_found_and_gone_when_its_slices_come_late(world, study) -> None:
    study([1, 2, 3, 4, 5, 6, 9, 10, 11, 12])
    assert remarks(world) == [(Kind.GAP, 2)]
    study([7, 8])
    assert remarks(world) == []


@ONE_ENGINE
@pytest.mark.parametrize("said", [{"SpacingBetweenSlices": 2.0}, {"SliceThickness": 2.0}])
def test_slices_that_know_their_distance_tell_that_every_second_is_missing(world, study, said) -> None:
    study(range(1, 14, 2), **said)
    assert remarks(world) == [(Kind.THINNED, 6)]


@ONE_ENGINE
def test_a_series_with_more_holes_than_a_page_can_list_is_one_finding(world, study) -> None:
    study([1, 2, 4, 7, 9, 10, 13, 15, 16, 18, 20])
    assert remarks(world) == [(Kind.SCATTERED, 9)]


@ONE_ENGINE
def test_every_second_slice_of_an_overlapping_ct_is_missed(world, study) -> None:
    study(range(1, 26, 2), SliceThickness=4.0)
    assert remarks(world) == [(Kind.SKIPPED, 12)]


@ONE_ENGINE
def test_a_loss_at_the_end_shows_beside_the_other_reconstruction(world, study) -> None:
    same = {"AcquisitionNumber": 1, "AcquisitionTime": "101500", "FrameOfReferenceUID": generate_uid()}
    study(range(1, 21), **same)
    study(range(1, 20), **same, SeriesInstanceUID=generate_uid(), SeriesNumber=2)
    assert remarks(world) == [(Kind.ENDS, 1)]


@ONE_ENGINE
@pytest.mark.parametrize(("kind", "found"), [("STATIC", [(Kind.PLANNED, 2)]), ("DYNAMIC", [])])
def test_a_static_pet_series_says_how_many_slices_it_has(world, study, kind, found) -> None:
    study(range(1, 11), Modality="PT", SeriesType=[kind, "IMAGE"], NumberOfSlices=12)
    assert remarks(world) == found


@ONE_ENGINE
def test_a_study_is_not_looked_at_twice(world, study) -> None:
    study([1, 2])
    looking = Completeness(world.database, world.cache)
    assert (looking.step(), looking.step()) == (True, False)


@ONE_ENGINE
def test_a_key_object_that_names_an_image_which_is_not_here_is_heard(world, study) -> None:
    study([1])
    row = world.instances()[0]
    here, missing, series, evidence = Dataset(), Dataset(), Dataset(), Dataset()
    here.ReferencedSOPInstanceUID, missing.ReferencedSOPInstanceUID = row.sop_uid, generate_uid()
    series.ReferencedSOPSequence = [here, missing]
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = world.studies()[0].study_uid, [series]
    study([2], SOPClassUID=KEY_OBJECT_SELECTION, CurrentRequestedProcedureEvidenceSequence=[evidence],
          SeriesInstanceUID=generate_uid())  # fmt: skip
    assert remarks(world) == [(Kind.KEY_OBJECTS, 1)]


@ONE_ENGINE
def test_what_the_sender_counts_is_compared(world, study) -> None:
    study([1, 2])
    with world.database.writing() as session:
        session.query(Study).one().expected = 5
    assert remarks(world) == [(Kind.SENDER_HAS_MORE, 3)]


@ONE_ENGINE
def test_positions_that_are_no_numbers_are_no_reason_to_fail(world, study) -> None:
    study([1, 2, 3], ImagePositionPatient=None, ImageOrientationPatient=[0, 0, 0, 0, 0, 0])
    assert remarks(world) == []


@ONE_ENGINE
def test_another_birth_date_or_sex_under_one_patient_id_is_a_remark(world, study) -> None:
    """They were taken without a word: two people under one number read as one."""
    study([1, 2, 3], PatientBirthDate="19610704", PatientSex="F")
    study([4, 5], PatientBirthDate="19750301", PatientSex="M")
    study([6], PatientBirthDate="", PatientSex="")
    study([7], PatientBirthDate="19610704", PatientSex="M")
    assert remarks(world) == [(Kind.OTHER_PERSON, 2), (Kind.OTHER_PERSON, 3)]
    assert world.troubles() == []


@ONE_ENGINE
def test_a_study_that_waits_for_images_says_it_too(world, study, people, web) -> None:
    study([1, 2], PatientSex="F")
    study([3], PatientSex="M")
    with world.database.writing() as session:
        found = session.query(Study).one()
        found.settled, found.expected, found.asked_version = False, 9, found.version
    assert (Kind.OTHER_PERSON, 1) in remarks(world)
    assert (
        "1 image of this study says another sex than the others"
        in web.ask(people.coordinator(), "GET", "/oversight").text
    )


SEEN = {"kind": "gap", "count": 2, "series_uid": "1.2.3.1", "first": 6, "last": 9, "spacing": 2.0}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (SEEN, "Series 1 (axial): 2 slices seem to be missing between image 6 and image 9 (slices are 2 mm apart)."),
        (SEEN | {"count": 1, "first": None}, "Series 1 (axial): 1 slice seems to be missing (slices are 2 mm apart)."),
        (
            SEEN | {"kind": "scattered", "count": 84, "of": 250},
            "Series 1 (axial): about 84 of 250 images seem to be missing, in many places (slices are 2 mm apart).",
        ),
        (
            SEEN | {"kind": "thinned", "count": 49, "of": 99},
            "Series 1 (axial): perhaps 49 of 99 images are missing: the image numbers leave out as many, "
            "and slices of 2 mm lie further apart than that.",
        ),
        (
            SEEN | {"kind": "skipped", "count": 49, "of": 99},
            "Series 1 (axial): perhaps 49 of 99 images are missing: the image numbers leave out as many, regularly, "
            "and the slices are thick enough for others between them.",
        ),
        (
            SEEN | {"kind": "ends", "count": 1, "of": 100, "reason": "end"},
            "Series 1 (axial): perhaps 1 image is missing at the end: another series of the same acquisition has 100.",
        ),
        (
            {"kind": "cut", "count": 0, "first": 120, "of": 0},
            "The link to the sender was cut after 120 images: more images may be missing.",
        ),
        (
            {"kind": "cut", "count": 3, "first": 120, "of": 1},
            "The link to the sender was cut after 120 images; 1 image came since: 3 more images may be missing.",
        ),
        (SEEN | {"kind": "numbers", "last": 6}, "Series 1 (axial): image 6 did not arrive."),
        (SEEN | {"kind": "numbers"}, "Series 1 (axial): images 6 to 9 did not arrive."),
        (SEEN | {"kind": "duplicates"}, "Series 1 (axial): 2 images came twice, under different identifiers."),
        ({"kind": "sender has more", "count": 3}, "The sender\u2019s archive has 3 more images of this study."),
        (
            {"kind": "commitment", "count": 1},
            "The sender asked us to keep images of this study, and with them 1 image that we do not have. "
            "It may be of it.",
        ),
        (
            {"kind": "refused", "count": 3, "reason": "It ends early"},
            "3 images of this study were refused: It ends early. They are not among the images.",
        ),
        (
            {"kind": "other person", "count": 2, "reason": "another sex"},
            "2 images of this study say another sex than the others, under the same name and Patient ID.",
        ),
        ({"kind": "key objects", "count": 1}, "1 image named as a key image did not arrive."),
    ],
)
def test_every_finding_is_a_sentence(said, sentence) -> None:
    series = Series(series_uid="1.2.3.1", number=1, description="axial")
    case = Case(studies=[Study(remarks=[said], series=[series])])
    assert remarks_in_words(case) == (sentence,)


@ONE_ENGINE
def test_what_came_twice_is_not_called_incomplete(web, world, study) -> None:
    study([1, 2, 2])
    remarks(world)
    reader = web.people.reader()
    with world.database.writing() as session:
        case = Case(state=CaseState.CLAIMED, reader_id=reader.person_id)
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=session.query(Study).one().id))
        number = case.id
    page = web.ask(reader, "GET", f"/cases/{number}").text
    assert "1 image came twice" in page
    assert "may not be complete" not in page


def test_every_kind_of_finding_has_its_words() -> None:
    assert set(WORDS) == set(Kind)


@ONE_ENGINE
def test_reader_and_patient_are_told_each_in_their_words(web, world, study) -> None:
    study([1, 2, 3, 4, 5, 8, 9, 10])
    remarks(world)
    patient, reader = web.people.patient(), web.people.reader()
    with world.database.writing() as session:
        case = Case(state=CaseState.CLAIMED, patient_id=patient.person_id, reader_id=reader.person_id)
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=session.query(Study).one().id))
        number = case.id
    assert "2 slices seem to be missing" in web.ask(reader, "GET", f"/cases/{number}").text
    told = web.ask(patient, "GET", f"/cases/{number}").text
    assert "some images of this examination are not on what you gave us" in told
    assert "slices" not in told
    assert web.ask(reader, "GET", f"/api/v1/cases/{number}").json["studies"][0]["remarks"][0]["kind"] == "gap"


@ONE_ENGINE
def test_only_what_the_sender_counted_and_is_whole_is_called_complete(web, world, study) -> None:
    """Once a study cut off in the middle was "complete since 15:41"."""
    study([1, 2, 3, 4, 5, 8, 9, 10])
    reader = web.people.reader()
    with world.database.writing() as session:
        case = Case(state=CaseState.CLAIMED, reader_id=reader.person_id, ready_at=now())
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=session.query(Study).one().id))
        number = case.id

    def page(expected):
        with world.database.writing() as session:
            found = session.query(Study).one()
            found.expected, found.checked_version = expected, -1
        remarks(world)
        return web.ask(reader, "GET", f"/cases/{number}").text

    assert "nothing more came since" in page(None)
    assert "nothing more came since" in page(8)  # as many as counted, and yet with a gap
    study([6, 7])
    assert "nothing more came since" in page(None)
    whole = page(10)
    assert ", complete since" in whole
    assert "nothing more came" not in whole
