"""The inbox into the archive: nothing lost, nothing twice, and what contradicts is kept aside for a person."""

from __future__ import annotations

import hashlib

import pytest
from pydicom.uid import generate_uid

from gateway.demo_studies import self_test_instance
from gateway.identity import SELF_TEST, self_test_part
from gateway.troubles import note_refusals
from orthanc.errors import ArchiveUnavailable
from scp.arrival import Refusal
from scp.part10 import split_part10
from worklist.models import Pulse, now
from worklist.troubles import Decision

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def dataset_of(part10: bytes) -> bytes:
    return bytes(split_part10(part10)[1])


def test_what_is_in_the_inbox_comes_into_archive_cache_and_rows_and_then_leaves_the_inbox(world, make) -> None:
    study_uid = generate_uid()
    images = [make(StudyInstanceUID=study_uid, SOPInstanceUID=generate_uid()) for _ in range(60)]
    for each in images:
        world.receive(each)
    world.carry()
    assert world.waiting() == 0
    rows = world.instances()
    assert sorted(row.sha256 for row in rows) == sorted(hashlib.sha256(dataset_of(each)).hexdigest() for each in images)
    for row in rows[:5]:
        archived = dataset_of(world.archive.fetch(row.archive_id))
        assert hashlib.sha256(archived).hexdigest() == row.sha256
        assert world.cache.held(row.sha256) is not None
    assert [study.study_uid for study in world.studies()] == [study_uid]
    assert world.studies()[0].patient_name == "Sample^Pat"


def test_the_same_instance_again_is_stored_once(world, make) -> None:
    image = make()
    for _ in range(3):
        world.receive(image)  # twice in one batch
    world.carry()
    world.receive(image)
    world.carry()
    assert len(world.instances()) == 1
    assert world.studies()[0].version == 1
    assert (world.waiting(), world.troubles()) == (0, [])


CONTRADICTIONS = {
    "Patient ID": {"PatientID": "P-2"},
    "Issuer of Patient ID": {"IssuerOfPatientID": "OTHER"},
    "Patient's Name": {"PatientName": "Other^Person"},
}


@pytest.mark.parametrize("batch", ["in one batch", "later"])
@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_an_image_of_another_patient_in_the_same_study_is_kept_aside(world, make, what: str, batch: str) -> None:
    study_uid = generate_uid()
    good = make(StudyInstanceUID=study_uid)
    wrong = make(StudyInstanceUID=study_uid, **CONTRADICTIONS[what])
    world.receive(good)
    if batch == "later":
        world.carry()
    entry = world.receive(wrong)
    world.carry()
    (row,) = world.instances()
    assert row.sha256 == hashlib.sha256(dataset_of(good)).hexdigest()
    assert world.cache.get(row.sha256, row.archive_id), "the study stays readable"
    (trouble,) = world.troubles()
    assert what in trouble.reason
    assert not [value for value in CONTRADICTIONS[what].values() if value in trouble.reason], "reasons name nobody"
    assert (trouble.kind, trouble.study_uid, trouble.key) == ("quarantined", study_uid, entry.key)
    assert dataset_of(world.inbox.read_aside(world.folders.quarantine / trouble.file).part10) == dataset_of(wrong)
    assert world.waiting() == 0


@pytest.mark.parametrize("batch", ["in one batch", "later"])
def test_of_two_issuers_one_is_kept_aside_though_the_first_image_named_none(world, make, batch: str) -> None:
    study_uid = generate_uid()
    for issuer in ("", "HOSPITAL", "", "OTHER"):
        world.receive(make(StudyInstanceUID=study_uid, IssuerOfPatientID=issuer))
        if batch == "later":
            world.carry()
    world.carry()
    assert len(world.instances()) == 3
    assert [each.contradicts for each in world.troubles()] == ["another issuer of the Patient ID"]
    assert world.studies()[0].issuer == "HOSPITAL"


LESS = {
    "no issuer of the Patient ID": {"IssuerOfPatientID": "", "PatientBirthDate": "19991231"},
    "no name": {"PatientName": ""},
}


@pytest.mark.parametrize("what", LESS)
def test_what_says_less_of_its_patient_must_agree_in_the_rest(world, make, what: str) -> None:
    study_uid = generate_uid()
    world.receive(make(StudyInstanceUID=study_uid))
    world.receive(make(StudyInstanceUID=study_uid, **LESS[what]))
    world.carry()
    assert len(world.instances()) == 1
    assert [each.contradicts for each in world.troubles()] == [what]


def test_an_upload_that_names_no_issuer_is_kept_aside_beside_one_that_does(world, make, people) -> None:
    """A patient's CDs are of several hospitals, each of which counts its own patients."""
    study_uid = generate_uid()
    for issuer in ("HOSPITAL", ""):
        world.receive(make(StudyInstanceUID=study_uid, IssuerOfPatientID=issuer), "elsewhere:1")
    world.carry()
    assert [each.contradicts for each in world.troubles()] == ["no issuer of the Patient ID"]


def test_how_a_name_is_written_is_no_contradiction(world, make) -> None:
    study_uid = generate_uid()
    for name in ("Sample^Pat", "SAMPLE^PAT", "Sample^Pat^^^", "Sample ^ Pat"):
        world.receive(make(StudyInstanceUID=study_uid, PatientName=name))
    world.carry()
    assert len(world.instances()) == 4
    assert world.troubles() == []


def test_two_people_without_a_latin_name_are_not_one(world, make) -> None:
    """Only the alphabetic group was compared, which both leave empty."""
    study_uid = generate_uid()
    for name in ("=\u5c71\u7530^\u592a\u90ce", "=\u5c71\u7530^\u592a\u90ce=", "=\u9234\u6728^\u4e00\u90ce"):
        world.receive(make(StudyInstanceUID=study_uid, PatientName=name))
    world.carry()
    assert len(world.instances()) == 2
    assert [one.contradicts for one in world.troubles()] == ["another name"]


@pytest.mark.parametrize("batch", ["in one batch", "later"])
@pytest.mark.parametrize("series", ["the same series", "another series"])
def test_other_content_under_a_known_sop_uid_is_kept_aside(world, make, batch: str, series: str) -> None:
    """In one batch and with another series UID, the second once vanished: archived, in no row, in no quarantine."""
    uids = {"StudyInstanceUID": generate_uid(), "SOPInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    first = make(**uids)
    more = {} if series == "the same series" else {"SeriesInstanceUID": generate_uid()}
    second = make(**uids | more, InstanceNumber=2)
    world.receive(first)
    if batch == "later":
        world.carry()
    world.receive(second)
    world.carry()
    (row,) = world.instances()
    assert row.sha256 == hashlib.sha256(dataset_of(first)).hexdigest()
    (trouble,) = world.troubles()
    kept = world.inbox.read_aside(world.folders.quarantine / trouble.file)
    assert dataset_of(kept.part10) == dataset_of(second)


def test_an_object_that_is_not_what_it_was_sent_as_is_kept_aside(world, make) -> None:
    world.receive(make(), sop_uid=generate_uid())
    world.receive(make(), study_uid=generate_uid())
    world.carry()
    assert world.instances() == []
    assert len(world.troubles()) == 2


def test_the_same_study_of_two_sites_is_two_studies(world, make) -> None:
    image = make()
    world.receive(image, "site:1")
    world.receive(image, "site:2")
    world.carry()
    first, second = world.studies()
    assert (first.origin, second.origin) == ("site:1", "site:2")
    assert first.study_uid == second.study_uid
    assert len(world.instances()) == 2


def test_what_another_site_says_of_a_patient_does_not_matter(world, make) -> None:
    study_uid = generate_uid()
    world.receive(make(StudyInstanceUID=study_uid), "site:1")
    world.receive(make(StudyInstanceUID=study_uid, PatientID="P-2"), "site:2")
    world.carry()
    assert [study.patient_id for study in world.studies()] == ["P-1", "P-2"]
    assert world.troubles() == []


def test_a_damaged_file_of_the_inbox_is_kept_aside_and_holds_nobody_up(world, make) -> None:
    entry = world.receive(make())
    world.receive(make())
    file = next(world.folders.inbox.rglob(entry.key))
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.write_bytes(content)
    world.carry()
    assert len(world.instances()) == 1
    (trouble,) = world.troubles()
    assert "damaged" in trouble.reason
    assert world.waiting() == 0


def test_the_archive_killed_in_the_middle_loses_and_doubles_nothing(fragile_world, own_archive_server, make) -> None:
    world = fragile_world
    world.receive(make())
    world.carry()
    for _ in range(20):
        world.receive(make())
    own_archive_server.kill()
    with pytest.raises(ArchiveUnavailable):
        world.carry()
    assert (world.waiting(), len(world.instances()), world.troubles()) == (20, 1, [])
    own_archive_server.start()
    world.carry()
    assert (world.waiting(), len(world.instances()), world.troubles()) == (0, 21, [])
    assert world.archive.holdings().instances == 21


def test_a_crash_between_archive_and_rows_is_repaired_by_doing_it_again(world, make) -> None:
    image = make()
    entry = world.receive(image)
    stored = world.inbox.read(entry)
    archive_id = world.archive.store(stored.part10, stored.md5)  # and then the worker was killed
    world.carry()
    assert [row.archive_id for row in world.instances()] == [archive_id]
    assert world.waiting() == 0


def test_a_crash_between_rows_and_inbox_is_repaired_by_doing_it_again(world, make) -> None:
    image = make()
    world.receive(image)
    world.carry()
    world.receive(image)  # as if `done` had not come to pass
    world.carry()
    assert len(world.instances()) == 1
    assert world.waiting() == 0


def test_a_crash_before_the_move_to_quarantine_notes_the_trouble_once(world, make) -> None:
    entry = world.receive(make(), sop_uid=generate_uid())
    world.carry()
    world.inbox.put_back(world.folders.quarantine / entry.key)
    world.carry()
    assert len(world.troubles()) == 1
    assert world.waiting() == 0


def test_what_the_archive_said_yes_to_and_has_not_is_stored_again(world, make) -> None:
    """Its plain yes is believed until the look behind it: rows and bytes are there in the end, nobody is asked."""
    images = [make(), make(), make()]
    for each in images:
        world.receive(each)
    world.ingest.step()
    lost = world.instances()[1]
    world.archive.delete(lost.archive_id)
    assert world.waiting() == 0
    world.proving.step()
    assert world.waiting() == 1
    world.carry()
    there = [dataset_of(world.archive.fetch(row.archive_id)) for row in world.instances()]
    assert sorted(there) == sorted(map(dataset_of, images))
    assert (world.waiting(), world.troubles()) == (0, [])


def test_other_content_that_came_right_behind_never_takes_the_place_of_the_first(world, make) -> None:
    """Both are read and stored at the same time as many others: the order of arrival decides all the same."""
    for _ in range(5):
        uids = {"StudyInstanceUID": generate_uid(), "SOPInstanceUID": generate_uid(), "SeriesInstanceUID": "1.2.3"}
        first = make(**uids, PixelData=bytes(200_000))  # takes longer than the second
        world.receive(first)
        world.receive(make(**uids))
        world.carry()
        row = world.instances()[-1]
        assert row.sha256 == hashlib.sha256(dataset_of(first)).hexdigest()
    assert (len(world.instances()), len(world.troubles())) == (5, 5)


def test_what_was_accepted_in_the_place_of_another_may_come_again(world, make) -> None:
    """In the same run it was still compared with what it had replaced."""
    uids = {"StudyInstanceUID": generate_uid(), "SOPInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    world.receive(make(**uids))
    world.carry()
    better = make(**uids, InstanceNumber=2)
    world.receive(better)
    world.carry()
    (trouble,) = world.troubles()
    with world.database.writing() as session:
        session.merge(trouble).decision = Decision.ACCEPTED
    world.inbox.put_back(world.folders.quarantine / trouble.file)
    world.receive(better)
    world.carry()
    (row,) = world.instances()
    assert row.sha256 == hashlib.sha256(dataset_of(better)).hexdigest()
    assert (world.waiting(), len(world.troubles())) == (0, 1)


def test_the_self_test_is_proven_by_the_archive_and_leaves_nothing_there(world) -> None:
    sop_uid, image = self_test_instance()
    before = world.archive.holdings().instances
    world.receive(image, SELF_TEST)
    world.carry()
    with world.database.reading() as session:
        assert session.query(Pulse).one().part == self_test_part(sop_uid)
    assert (world.instances(), world.waiting(), world.troubles()) == ([], 0, [])
    assert world.archive.holdings().instances == before


def test_nobody_removes_an_image_by_sending_it_again_as_a_self_test(world, make) -> None:
    """Whoever called themselves OVERREAD_DOCTOR once could: "already stored", then deleted as the self-test is."""
    image = make()
    world.receive(image)
    world.carry()
    world.receive(image, SELF_TEST)
    world.carry()
    (row,) = world.instances()
    assert dataset_of(world.archive.fetch(row.archive_id)) == dataset_of(image)
    assert "own test image" in world.troubles()[0].reason


def test_no_hospitals_image_can_stand_where_the_self_test_deletes(world, make) -> None:
    """The archive tells instances apart by Patient ID and UIDs: a stranger once had one with that ID deleted."""
    image = make(PatientID="SELF-TEST")
    world.receive(image)
    world.carry()
    assert world.instances() == []
    assert "own test image" in world.troubles()[0].reason


def test_refusals_become_visible_once(world) -> None:
    refusal = Refusal("site:1", "HOSPITAL", "It has no SOP Instance UID.", 0xA900, "", "", "1.2.3", now())
    world.inbox.refuse(refusal)
    assert note_refusals(world.inbox, world.database)
    assert not note_refusals(world.inbox, world.database)
    (trouble,) = world.troubles()
    assert (trouble.kind, trouble.status, trouble.study_uid) == ("refused", 0xA900, "1.2.3")
    assert trouble.reason == refusal.reason


def test_one_that_the_archive_does_not_answer_takes_nothing_from_those_that_it_took(fragile_world, make) -> None:
    """Whatever else had been stored meanwhile had to be stored again: on a busy machine hardly anything went on."""
    world = fragile_world
    entries = [world.receive(make()) for _ in range(40)]
    true_entrust, hangs = world.archive.entrust, make(PatientID="hangs")
    world.receive(hangs)

    def entrust(body, md5):
        if b"".join(body.pieces()) == world.inbox.read(world.inbox.waiting(99)[-1]).part10:
            raise ArchiveUnavailable("The archive does not answer.")
        return true_entrust(body, md5)

    world.archive.entrust = entrust
    with pytest.raises(ArchiveUnavailable):
        world.carry()
    assert world.waiting() == 1
    world.archive.entrust = true_entrust
    world.carry()
    assert (world.waiting(), len(world.instances())) == (0, len(entries) + 1)
