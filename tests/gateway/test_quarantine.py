"""What was kept aside: shown beside what stands against it, decided about once, carried out, told to the sender."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from pydicom.uid import generate_uid

from gateway.quarantine import Quarantine
from orthanc.decoder import Decoder
from worklist.models import AuditLine, Case, CaseStudy, Instance, Report, Study, Trouble, now
from worklist.states import CaseState

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def site(people):
    return people.site("ST_MARY")


@pytest.fixture
def uids():
    return {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), "SOPInstanceUID": generate_uid()}


@pytest.fixture
def send(web, site):
    """Sends images of the hospital and lets ingest decide; the ids of what waits for a decision."""

    def sent(*images: bytes) -> list[int]:
        for image in images:
            web.world.receive(image, f"site:{site}")
        web.world.carry()
        return [one.id for one in web.world.troubles() if one.resolved_at is None]

    return sent


@pytest.fixture
def other_version(web, send, uids):
    """An image, and another version of it that was kept aside; the id of that."""
    first = web.world.make(**uids, PixelData=bytes([0, 1] * 32 + [9, 9] * 32))
    second = web.world.make(**uids, PixelData=bytes([0, 9] * 32 + [1, 1] * 32), StudyDescription="CT neck")
    (trouble,) = send(first, second)
    return trouble


@pytest.fixture
def carry(web):
    """Carries decisions out and lets ingest work, as the worker does."""

    def carried() -> None:
        world = web.world
        Quarantine(world.database, world.inbox, world.cache, Decoder(), world.folders.quarantine).carry()
        world.carry()

    return carried


def signed_on(uids) -> dict[str, list[dict[str, str]]]:
    """What a report freezes of the image that it rests on."""
    return {"evidence": [{"sop_uid": uids["SOPInstanceUID"]}]}


def decide(web, who, trouble: int, name: str, **body):
    return web.ask(who, "POST", f"/api/v1/quarantine/{trouble}/{name}", json=body)


def digests(web) -> set[str]:
    return {row.sha256 for row in web.world.instances()}


def test_two_versions_of_an_image_are_shown_side_by_side(web, people, other_version) -> None:
    boss = people.coordinator()
    told = web.ask(boss, "GET", f"/api/v1/quarantine/{other_version}").json
    assert (told["of_one_instance"], told["same_pixels"]) == (True, False)
    assert [(one["name"], one["kept"], one["aside"]) for one in told["differences"] if one["tag"] == "00081030"] == [
        ("Study Description", "CT head", "CT neck")
    ]
    page = web.ask(boss, "GET", f"/quarantine/{other_version}").text
    assert "Other pixels" in page
    assert "CT neck" in page
    kept, aside = (web.ask(boss, "GET", f"/quarantine/{other_version}/{side}.png") for side in ("kept", "aside"))
    assert kept.mimetype == aside.mimetype == "image/png"
    assert kept.data != aside.data


def test_both_pictures_are_seen_through_one_window(web, people, send, uids) -> None:
    """The same pixels looked like two images, since each was shown through its own window."""
    pixels = {"PixelData": bytes([0, 1] * 32 + [9, 9] * 32), "BitsStored": 16, "HighBit": 15}
    windows = ({"WindowCenter": 40, "WindowWidth": 400}, {"WindowCenter": 1200, "WindowWidth": 4000})
    (trouble,) = send(*(web.world.make(**uids, **pixels, **each) for each in windows))
    boss = people.coordinator()
    kept, aside = (web.ask(boss, "GET", f"/quarantine/{trouble}/{side}.png").data for side in ("kept", "aside"))
    assert kept == aside


def test_beside_an_image_of_another_patient_stands_the_one_of_its_place(web, people, send, uids) -> None:
    of_study = [uids | {"SOPInstanceUID": generate_uid(), "InstanceNumber": number} for number in (1, 2, 3)]
    other = of_study[1] | {"SOPInstanceUID": generate_uid(), "PatientName": "Other^Olga"}
    pixels = [bytes([number, 0] * 64) for number in (1, 2, 3)]
    images = [web.world.make(**each, PixelData=some) for each, some in zip(of_study, pixels, strict=True)]
    (trouble,) = send(*images, web.world.make(**other, PixelData=pixels[1]))
    quarantine = Quarantine(
        web.world.database, web.world.inbox, web.world.cache, Decoder(), web.world.folders.quarantine
    )
    with web.database.reading() as session:
        kept = quarantine.compare(session.get_one(Trouble, trouble)).kept
    assert kept is not None
    assert b"".join(kept.read(kept.frame(1))) == pixels[1]


def test_the_lists_say_whose_study_it_is_and_which_case(web, people, send, uids) -> None:
    other = uids | {"SOPInstanceUID": generate_uid()}
    send(web.world.make(**uids), web.world.make(**other, PatientName="Other^Olga"))
    with web.database.writing() as session:
        case = Case(state=CaseState.READY)
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=session.query(Study).one().id))
        number = case.id
    for page in ("/quarantine", "/oversight"):
        told = web.ask(people.coordinator(), "GET", page).text
        assert "Pat Sample (P-1), CT head, 20 November 2026" in told, page
        assert f'<a href="/cases/{number}">Case {number}</a> (Waiting for a reader)' in told, page


def test_an_image_of_another_patient_is_compared_in_patient_and_study_only(web, people, send, uids) -> None:
    other = uids | {"SOPInstanceUID": generate_uid()}
    (trouble,) = send(web.world.make(**uids), web.world.make(**other, PatientName="Other^Olga", InstanceNumber=2))
    told = web.ask(people.coordinator(), "GET", f"/api/v1/quarantine/{trouble}").json
    assert [(one["name"], one["kept"], one["aside"]) for one in told["differences"]] == [
        ("Patient's Name", "Sample^Pat", "Other^Olga")
    ]


def test_an_accepted_version_replaces_the_first_and_is_seen_at_once(web, people, other_version, carry) -> None:
    before, version = digests(web), web.world.studies()[0].version
    assert decide(web, people.coordinator(), other_version, "accept").json == {"decided": 1, "decision": "accepted"}
    carry()
    (row,) = web.world.instances()
    assert {row.sha256} != before
    assert web.world.studies()[0].version > version
    assert web.world.archive.md5(row.archive_id)
    assert web.world.waiting() == 0


STRANGE = {
    "under a UID of another study": {"StudyInstanceUID": "1.2.77", "StudyDescription": "CT neck"},
    "of another name": {"SOPInstanceUID": "1.2.78", "PatientName": "Other^Olga"},
}


@pytest.mark.parametrize("how", STRANGE)
def test_what_was_accepted_and_is_sent_again_is_known_as_the_same(web, people, send, uids, carry, how) -> None:
    """Each time that its sender sent it again it was kept aside again."""
    first, strange = web.world.make(**uids), web.world.make(**uids | STRANGE[how])
    (trouble,) = send(first, strange)
    decide(web, people.coordinator(), trouble, "accept", sure=True)
    carry()
    here = digests(web)
    assert len(here) == 2
    for again in ((strange,), (first, strange), (strange, first)):
        assert send(*again) == []
    assert digests(web) == here
    assert web.world.waiting() == 0


def test_an_accepted_image_of_another_name_becomes_part_of_the_study(web, people, send, uids, carry) -> None:
    other = uids | {"SOPInstanceUID": generate_uid()}
    (trouble,) = send(web.world.make(**uids), web.world.make(**other, PatientName="Maiden^Pat"))
    decide(web, people.coordinator(), trouble, "accept", sure=True)
    carry()
    assert len(web.world.instances()) == 2
    assert web.world.studies()[0].patient_name == "Sample^Pat", "the study keeps its patient"


def test_carrying_out_again_after_a_crash_changes_nothing(web, people, other_version, carry) -> None:
    decide(web, people.coordinator(), other_version, "accept")
    carry()
    with web.database.writing() as session:
        session.query(Trouble).one().carried_at = None
    carry()
    assert len(web.world.instances()) == 1


def test_a_rejected_object_stays_where_it_is_and_its_sender_is_told(web, people, site, other_version, carry) -> None:
    before, boss = digests(web), people.coordinator()
    assert decide(web, boss, other_version, "reject").status_code == 400, "a reason is wanted"
    assert decide(web, boss, other_version, "reject", answer="Send it under a new UID.").status_code == 200
    carry()
    assert digests(web) == before
    assert len(list(web.world.folders.quarantine.iterdir())) == 1
    assert "Send it under a new UID." in web.ask(people.hospital(site), "GET", "/arrivals").text
    assert web.ask(boss, "GET", "/api/v1/quarantine").json == {"kept_aside": []}
    with web.database.reading() as session:
        assert session.query(AuditLine).filter(AuditLine.action == "quarantine: rejected").count() == 1


def files(web) -> list[str]:
    return sorted(file.name for file in web.world.folders.quarantine.iterdir())


def test_what_is_kept_aside_is_kept_once_however_often_it_is_sent(web, send, uids) -> None:
    """A PACS that sent one study again and again filled the disk and the list."""
    first, second, third = (web.world.make(**uids, StudyDescription=text) for text in ("CT head", "CT neck", "CT hand"))
    waiting = send(first, second)
    kept = files(web)
    for _ in range(3):
        assert send(second) == waiting
    assert (files(web), web.world.waiting()) == (kept, 0)
    assert len(send(third)) == 2, "another content is another decision"


def test_what_is_sent_again_is_kept_where_the_first_one_is_damaged(web, send, uids) -> None:
    first, second = (web.world.make(**uids, StudyDescription=text) for text in ("CT head", "CT neck"))
    send(first, second)
    (file,) = web.world.folders.quarantine.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    assert len(send(second)) == 2
    assert len(files(web)) == 2


def test_who_sends_again_what_was_rejected_is_told_so(web, people, site, send, uids, carry) -> None:
    """Sent a second time it only stood there as kept aside once more, for sender and coordinator alike."""
    other = web.world.make(**uids | {"SOPInstanceUID": generate_uid()}, PatientName="Other^Olga")
    (trouble,) = send(web.world.make(**uids), other)
    boss = people.coordinator()
    assert decide(web, boss, trouble, "reject", answer="Send it as a study of its own.").status_code == 200
    (again,) = send(other)
    assert again != trouble
    said = "was rejected before: Send it as a study of its own."
    (group,) = web.ask(boss, "GET", "/api/v1/quarantine").json["kept_aside"]
    assert said in group["reason"]
    assert said in web.ask(boss, "GET", f"/quarantine/{again}").text
    for page in ("/arrivals", "/site"):
        assert said in web.ask(people.hospital(site), "GET", page).text, page


def test_one_decision_is_for_all_that_were_kept_aside_for_the_same_reason(web, people, send, uids, carry) -> None:
    images = [uids | {"SOPInstanceUID": generate_uid()} for _ in range(3)]
    waiting = send(web.world.make(**uids), *(web.world.make(**each, PatientName="Maiden^Pat") for each in images))
    boss = people.coordinator()
    (group,) = web.ask(boss, "GET", "/api/v1/quarantine").json["kept_aside"]
    assert (group["count"], len(waiting)) == (3, 3)
    assert decide(web, boss, group["first_id"], "accept", all=True, sure=True).json["decided"] == 3
    carry()
    assert len(web.world.instances()) == 4


def test_of_two_decisions_the_first_counts(web, people, other_version) -> None:
    boss = people.coordinator()
    assert decide(web, boss, other_version, "accept").status_code == 200
    assert decide(web, boss, other_version, "reject", answer="No.").status_code == 409


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(hours=1)])
def test_what_a_report_was_signed_on_is_not_replaced(web, people, site, other_version, uids, ahead) -> None:
    """An image that came while our clock was ahead passed for one that came after the signature."""
    reader, boss = people.reader(), people.coordinator()
    with web.database.writing() as session:
        study = session.query(Study).one()
        session.query(Instance).one().received_at = now() + ahead
        case = Case(state=CaseState.SIGNED, site_id=site, reader_id=reader.person_id)
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=study.id))
        session.add(Report(case_id=case.id, version=1, study_id=study.id, content=signed_on(uids),
                           reference=b"", signed_at=now(),
                           signer_id=reader.person_id, sr_uid="1.2.1", sr_series_uid="1.2.2", pdf_uid="1.2.3",
                           pdf_series_uid="1.2.4"))  # fmt: skip
    refused = decide(web, boss, other_version, "accept")
    assert refused.status_code == 403
    assert "new SOP Instance UID" in refused.json["detail"]
    assert 'id="accept"' not in web.ask(boss, "GET", f"/quarantine/{other_version}").text


def test_nobody_but_who_oversees_sees_or_decides_anything(web, people, site, other_version) -> None:
    for who in (people.reader(), people.patient(), people.hospital(site)):
        for path in ("/quarantine", f"/quarantine/{other_version}", f"/quarantine/{other_version}/aside.png",
                     "/api/v1/quarantine", f"/api/v1/quarantine/{other_version}"):  # fmt: skip
            assert web.ask(who, "GET", path).status_code == 404, path
        assert decide(web, who, other_version, "accept").status_code == 404
    with web.database.reading() as session:
        assert session.query(Trouble).one().decision == ""


def test_the_pages_lead_from_oversight_to_the_decision(web, people, other_version) -> None:
    boss = people.coordinator()
    assert f"/quarantine/{other_version}" in web.ask(boss, "GET", "/oversight").text
    listed = web.ask(boss, "GET", "/quarantine").text
    assert re.search(r"1 object</span>", listed)
    decide(web, boss, other_version, "accept")
    assert "Nothing is kept aside" in web.ask(boss, "GET", "/quarantine").text


def test_an_object_that_is_not_on_this_machine_says_so(web, people, other_version) -> None:
    for file in web.world.folders.quarantine.iterdir():
        file.unlink()
    assert "another machine" in web.ask(people.coordinator(), "GET", f"/quarantine/{other_version}").text
    with web.database.reading() as session:
        assert session.query(Instance).count() == 1


def test_accepting_a_group_leaves_out_what_a_report_was_signed_on(web, people, site, send, uids, carry) -> None:
    """The guard once looked at the object that was named alone, and the rest of the group was replaced."""
    late = uids | {"SOPInstanceUID": generate_uid()}
    send(web.world.make(**uids))
    with web.database.writing() as session:
        case = Case(state=CaseState.SIGNED, site_id=site, reader_id=people.reader().person_id)
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=session.query(Study).one().id))
        session.add(Report(case_id=case.id, version=1, study_id=session.query(Study).one().id,
                           content=signed_on(uids), reference=b"", signed_at=now(),
                           signer_id=case.reader_id, sr_uid="1.2.1",
                           sr_series_uid="1.2.2", pdf_uid="1.2.3", pdf_series_uid="1.2.4"))  # fmt: skip
    others = send(web.world.make(**late), *(web.world.make(**one, PixelData=bytes([7] * 128)) for one in (late, uids)))
    signed = next(row.sha256 for row in web.world.instances() if row.sop_uid == uids["SOPInstanceUID"])
    named = next(one.id for one in web.world.troubles() if one.sop_uid == late["SOPInstanceUID"])
    assert len(others) == 2
    assert decide(web, people.coordinator(), named, "accept", all=True).json["decided"] == 1
    carry()
    assert signed in digests(web)


def test_a_group_is_of_equal_objects_and_its_page_lists_each(web, people, send, uids) -> None:
    """Three different names once were one group of which one object was shown and one click let in all."""
    names = ("Schmidt^Anna", "Schmidt^Anna", "", "Mueller^Anna")
    odd = [
        web.world.make(**uids | {"SOPInstanceUID": generate_uid()}, PatientName=name, InstanceNumber=number)
        for number, name in enumerate(names, 2)
    ]
    waiting, boss = send(web.world.make(**uids), *odd), people.coordinator()
    groups = web.ask(boss, "GET", "/api/v1/quarantine").json["kept_aside"]
    assert sorted((one["count"], one["contradicts"]) for one in groups) == [
        (1, "another name"), (1, "no name"), (2, "another name"),
    ]  # fmt: skip
    page = web.ask(boss, "GET", f"/quarantine/{waiting[0]}").text
    assert f'href="/quarantine/{waiting[1]}"' in page
    assert "image 3" in page
    assert f'href="/quarantine/{waiting[2]}"' not in page
    assert decide(web, boss, waiting[0], "accept", all=True, sure=True).json["decided"] == 2


def test_another_patients_name_is_accepted_only_when_that_is_confirmed(web, people, send, uids) -> None:
    other = uids | {"SOPInstanceUID": generate_uid()}
    (trouble,) = send(web.world.make(**uids), web.world.make(**other, PatientName="Other^Olga"))
    boss = people.coordinator()
    page = re.sub(r"\s+", " ", web.ask(boss, "GET", f"/quarantine/{trouble}").text)
    assert "Olga Other) into the study of" in page
    web.ask(boss, "POST", f"/quarantine/{trouble}/accepted", data={})
    refused = decide(web, boss, trouble, "accept")
    assert (refused.status_code, "another patient" in refused.json["detail"]) == (403, True)
    assert decide(web, boss, trouble, "accept", sure="yes").status_code == 400
    assert [one.decision for one in web.world.troubles()] == [""]
    web.ask(boss, "POST", f"/quarantine/{trouble}/accepted", data={"sure": "yes"})
    assert [one.decision for one in web.world.troubles()] == ["accepted"]


def test_readers_are_told_of_accepted_images_of_another_name(web, people, site, send, uids, carry) -> None:
    """After the decision nothing on the case once said that its images name somebody else."""
    other = uids | {"SOPInstanceUID": generate_uid()}
    (trouble,) = send(web.world.make(**uids), web.world.make(**other, PatientName="Other^Olga"))
    boss = people.coordinator()
    with web.database.writing() as session:
        case = Case(state=CaseState.READY, site_id=site)
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=session.query(Study).one().id))
        number = case.id
    about = web.ask(boss, "GET", f"/api/v1/quarantine/{trouble}").json
    assert about["cases"] == [{"id": number, "state": "READY"}]
    assert about["study"]["patient_name"] == "Sample^Pat"
    assert f'href="/cases/{number}"' in web.ask(boss, "GET", f"/quarantine/{trouble}").text
    decide(web, boss, trouble, "accept", sure=True)
    carry()
    assert "1 image carries another name than the study: accepted by the coordinator on" in (
        web.ask(boss, "GET", f"/cases/{number}").text
    )
    (remark,) = web.ask(boss, "GET", f"/api/v1/cases/{number}").json["studies"][0]["remarks"]
    assert (remark["kind"], remark["count"], remark["reason"]) == ("strangers", 1, "another name")
