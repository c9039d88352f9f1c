"""Proof for the sender: what arrived of theirs, what was not taken and why, and nothing of anybody else."""

from __future__ import annotations

import csv
import io

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from gateway import cut_off
from gateway.cut_off import note_cuts
from gateway.troubles import note_refusals
from scp.endings import Endings
from worklist.models import Case, CutOff, Instance, Study, Trouble, now

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def hospital(web, people):
    """A hospital that sent three images of one study, one of which was refused, and one object of no study at all."""
    site = people.site("ST_MARY")
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    for number in (1, 2):
        web.world.receive(web.world.make(InstanceNumber=number, **uids), f"site:{site}")
    web.world.carry()
    with web.database.writing() as session:
        for key, study_uid in (("a", uids["StudyInstanceUID"]), ("b", "")):
            session.add(Trouble(kind="refused", origin=f"site:{site}", sender="CT_1", reason="It is truncated.",
                                status=0xC001, study_uid=study_uid, sop_uid="1.2.3", key=key,
                                received_at=now()))  # fmt: skip
    return site, uids["StudyInstanceUID"]


def arrived(web, who, query: str = "") -> dict:
    answer = web.ask(who, "GET", f"/api/v1/arrivals{query}")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_a_hospital_sees_what_arrived_and_what_was_not_taken(web, people, hospital) -> None:
    site, study_uid = hospital
    found = arrived(web, people.hospital(site))
    (study,) = found["studies"]
    assert (study["study_uid"], study["site"], study["instances"]) == (study_uid, "ST_MARY", 2)
    assert study["bytes"] == sum(row.size for row in web.world.instances())
    assert [(each["ae_title"], each["instances"]) for each in study["senders"]] == [("HOSPITAL", 2)]
    refused = {"kind": "refused", "reason": "It is truncated.", "count": 1, "status": "C001", "ae_title": "CT_1",
               "decision": "", "answer": "", "study_uid": study_uid, "sop_uid": "1.2.3"}  # fmt: skip
    assert [refused | {"last_at": each["last_at"]} for each in study["not_taken"]] == study["not_taken"] != []
    assert [each["reason"] for each in found["not_taken"]] == ["It is truncated."]


def test_another_hospital_sees_nothing_of_it_whatever_it_asks_for(web, people, hospital) -> None:
    site, study_uid = hospital
    other = people.hospital(people.site())
    for query in ("", f"?site={site}"):
        assert arrived(web, other, query) == {"studies": [], "not_taken": [], "more": False, "only_counted": []}
    for who in (other, people.patient(), people.reader()):
        assert web.ask(who, "GET", f"/api/v1/arrivals/{site}/{study_uid}").status_code == 404
        assert web.ask(who, "GET", f"/arrivals/{site}/{study_uid}.csv").status_code == 404


def test_a_coordinator_sees_all_sites_or_one(web, people, hospital) -> None:
    site, _ = hospital
    empty, boss = people.site(), people.coordinator()
    assert len(arrived(web, boss)["studies"]) == len(arrived(web, boss, f"?site={site}")["studies"]) == 1
    assert arrived(web, boss, f"?site={empty}")["studies"] == []


def test_days_and_pages_narrow_the_list_and_nonsense_is_explained(web, people, hospital) -> None:
    boss, today = people.coordinator(), f"{now():%Y-%m-%d}"
    assert len(arrived(web, boss, f"?since={today}&until={today}")["studies"]) == 1
    assert arrived(web, boss, "?until=2020-01-01")["studies"] == []
    assert arrived(web, boss, "?page=2") == {"studies": [], "not_taken": [], "more": False, "only_counted": []}
    for query in ("since=yesterday", "page=0", "page=9999999999999", "site=%00"):
        assert web.ask(boss, "GET", f"/api/v1/arrivals?{query}").status_code == 400, query


def test_every_image_is_listed_with_its_digest_and_a_spreadsheet_computes_nothing(web, people, hospital) -> None:
    site, study_uid = hospital
    with web.database.writing() as session:
        for row in session.query(Instance):
            row.sender = "=2+2"
    said = web.ask(people.hospital(site), "GET", f"/arrivals/{site}/{study_uid}.csv").text
    rows = list(csv.DictReader(io.StringIO(said)))
    archived = [row for row in rows if row["state"] == "archived"]
    assert [row["sha256"] for row in archived] == [row.sha256 for row in web.world.instances()]
    assert {row["ae_title"] for row in archived} == {"'=2+2"}
    listed = arrived(web, people.hospital(site), f"/{site}/{study_uid}")
    assert [each["sop_uid"] for each in listed["instances"]] == [row.sop_uid for row in web.world.instances()]


def test_every_object_that_was_not_taken_is_named_with_its_state_and_why(web, people, hospital) -> None:
    """The list once had what was taken alone: a sender could not find out which of its objects was refused."""
    site, study_uid = hospital
    with web.database.writing() as session:
        for key, decision in (("c", ""), ("d", "accepted"), ("e", "rejected")):
            session.add(Trouble(kind="quarantined", origin=f"site:{site}", sender="CT_1", reason="Another content.",
                                study_uid=study_uid, sop_uid=f"1.2.{ord(key)}", key=key, received_at=now(),
                                decision=decision, answer="=So it is." if decision else ""))  # fmt: skip
    who = people.hospital(site)
    expected = [("1.2.3", "refused", "C001", "It is truncated.", ""),
                ("1.2.99", "kept aside", "", "Another content.", ""),
                ("1.2.100", "accepted", "", "Another content.", "=So it is."),
                ("1.2.101", "rejected", "", "Another content.", "=So it is.")]  # fmt: skip
    told = arrived(web, who, f"/{site}/{study_uid}")["not_taken"]
    assert [
        (one["sop_uid"], one["state"], one["status"] or "", one["reason"], one["answer"]) for one in told
    ] == expected
    said = web.ask(who, "GET", f"/arrivals/{site}/{study_uid}.csv").text
    rows = [row for row in csv.DictReader(io.StringIO(said)) if row["state"] != "archived"]
    assert [(row["sop_instance_uid"], row["state"], row["status"]) for row in rows] == [one[:3] for one in expected]
    assert [row["answer"] for row in rows] == ["", "", "'=So it is.", "'=So it is."]


def test_what_said_no_study_is_named_too(web, people, hospital) -> None:
    site, _ = hospital
    who = people.hospital(site)
    page = web.ask(who, "GET", "/arrivals").text
    assert f'href="/arrivals/{site}/none.csv"' in page
    assert "1.2.3,,,CT_1," in web.ask(who, "GET", f"/arrivals/{site}/none.csv").text
    assert [one["sop_uid"] for one in arrived(web, who, f"/{site}/none")["not_taken"]] == ["1.2.3"]
    assert web.ask(people.hospital(people.site()), "GET", f"/arrivals/{site}/none.csv").status_code == 404


def test_what_stow_refuses_stands_under_what_arrived_and_on_oversight(web, people) -> None:
    """It was told to the program that sent it, and to nobody else."""
    site = people.site()
    who = people.hospital(site)
    image = web.world.make(StudyInstanceUID="1.2.3").replace(b"1.2.3\0", b"1.2.x\0")
    part = b"--guid\r\nContent-Type: application/dicom\r\n\r\n" + image + b"\r\n--guid--"
    kind = 'multipart/related; type="application/dicom"; boundary=guid'
    assert web.ask(who, "POST", "/dicom-web/studies", data=part, content_type=kind).status_code == 409
    note_refusals(web.world.inbox, web.database)
    (refused,) = arrived(web, who)["not_taken"]
    assert (refused["status"], refused["ae_title"]) == ("C021", "DICOMweb")
    assert refused["sop_uid"] == dcmread(io.BytesIO(image), stop_before_pixels=True).SOPInstanceUID
    assert "A UID is not written as DICOM requires" in web.ask(people.coordinator(), "GET", "/oversight").text


def test_the_page_shows_it_in_words(web, people, hospital) -> None:
    page = web.ask(people.hospital(hospital[0]), "GET", "/arrivals").text
    assert "CT head" in page
    assert "2 images" in page
    assert "status C001: It is truncated." in page
    nothing = web.ask(people.hospital(people.site()), "GET", "/arrivals").text
    assert "Nothing arrived yet" in nothing


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (0xC001, "in another transfer syntax"),
        (0xC011, "Have it mended, and send it again."),
        (0xC016, "Send it as several smaller objects"),
    ],
)
def test_a_hospital_is_told_what_helps_against_this_refusal(web, people, hospital, status, advice) -> None:
    with web.database.writing() as session:
        session.query(Trouble).update({"status": status})
    who = people.hospital(hospital[0])
    for path in ("/arrivals", "/site"):
        assert advice in web.ask(who, "GET", path).text, path


@pytest.fixture
def cut(web, hospital):
    """Its transfer was cut after two images."""
    site, study_uid = hospital
    endings = Endings(web.parts.folders.counters, "receiver-1")
    endings.cut((f"site:{site}", study_uid), "CT_1", 2, in_image=True)
    note_cuts(web.database, web.parts.folders.counters)
    note_cuts(web.database, web.parts.folders.counters)
    return endings, (f"site:{site}", study_uid)


def cut_of(web, people, site: int) -> dict | None:
    (study,) = arrived(web, people.hospital(site))["studies"]
    return study["cut"]


def test_a_transfer_that_was_cut_is_told_to_its_hospital_and_the_coordinator(web, people, hospital, cut) -> None:
    site, _ = hospital
    said = cut_of(web, people, site)
    assert (said["ae_title"], said["after"], said["since"], said["missing"]) == ("CT_1", 2, 0, None)
    for who in (people.hospital(site), people.coordinator()):
        page = web.ask(who, "GET", "/arrivals").text
        assert "The link was cut after 2 images (" in page
        assert "). More images may be missing: send the study again." in page
    other = people.hospital(people.site())
    assert "The link was cut" not in web.ask(other, "GET", "/arrivals").text
    with web.database.reading() as session:
        assert session.query(CutOff).count() == 1, "the same line twice is one"


def test_a_cut_is_on_oversight_until_the_study_was_sent_to_its_end(web, people, hospital, cut) -> None:
    endings, sent = cut
    boss = people.coordinator()
    page = web.ask(boss, "GET", "/oversight").text
    assert "Transfers that were cut" in page
    assert "The link was cut after 2 images" in page
    endings.released([sent])
    endings.save()
    note_cuts(web.database, web.parts.folders.counters)
    assert "Transfers that were cut" not in web.ask(boss, "GET", "/oversight").text


@pytest.mark.parametrize("study_uid", ["1.2.77", ""], ids=["of a study", "before it said its study"])
def test_a_cut_in_the_very_first_image_is_on_oversight_too(web, people, hospital, study_uid: str) -> None:
    """Without an image there is no study on whose line it could stand."""
    endings = Endings(web.parts.folders.counters, "receiver-1")
    endings.cut((f"site:{hospital[0]}", study_uid), "CT_1", 0, in_image=True)
    note_cuts(web.database, web.parts.folders.counters)
    page = web.ask(people.coordinator(), "GET", "/oversight").text
    assert "CT_1</strong>" in page
    assert "The link was cut in the first image" in page
    assert "No image of its study is here." in page


def test_what_came_afterwards_and_what_the_senders_archive_counts_is_said(web, people, hospital, cut) -> None:
    site, study_uid = hospital
    with web.database.writing() as session:
        study = session.query(Study).one()
        study.expected, study.asked_version = 5, study.version
    assert cut_of(web, people, site)["missing"] == 3
    assert "3 more images may be missing" in web.ask(people.hospital(site), "GET", "/arrivals").text
    web.world.receive(web.world.make(InstanceNumber=3, StudyInstanceUID=study_uid), f"site:{site}")
    web.world.carry()
    assert cut_of(web, people, site)["since"] == 1
    with web.database.writing() as session:
        study = session.query(Study).one()
        study.expected, study.asked_version = 3, study.version
    assert cut_of(web, people, site) is None, "all that the sender has is here"


def test_a_later_transfer_that_came_to_its_end_makes_it_good(web, people, hospital, cut) -> None:
    endings, sent = cut
    endings.released([sent])
    endings.save()
    note_cuts(web.database, web.parts.folders.counters)
    assert cut_of(web, people, hospital[0]) is None


def test_a_transfer_that_was_finished_before_the_cut_makes_nothing_good(web, people, hospital) -> None:
    site, study_uid = hospital
    endings = Endings(web.parts.folders.counters, "receiver-1")
    endings.released([(f"site:{site}", study_uid)])
    endings.cut((f"site:{site}", study_uid), "CT_1", 2, in_image=False)
    note_cuts(web.database, web.parts.folders.counters)
    assert cut_of(web, people, site) is not None


def test_who_hangs_up_all_day_fills_no_database_and_displaces_nobody_elses_cuts(
    web, hospital, cut, monkeypatch
) -> None:
    monkeypatch.setattr(cut_off, "MOST", 5)
    endings, _ = cut
    for number in range(7):
        endings.cut(("site:999", f"1.2.{number}"), "CT_9", 1, in_image=True)
        note_cuts(web.database, web.parts.folders.counters)
    with web.database.reading() as session:
        noted = [(one.origin, one.study_uid) for one in session.query(CutOff).order_by(CutOff.at)]
    assert noted == [cut[1], *(("site:999", f"1.2.{number}") for number in range(2, 7))]


def test_the_case_says_that_its_images_were_cut_off(web, people, hospital, cut) -> None:
    site, _ = hospital
    with web.database.writing() as session:
        session.add(Case(site_id=site, state="READY", studies=[session.query(Study).one()]))
    with web.database.reading() as session:
        number = session.query(Case).one().id
    page = web.ask(people.coordinator(), "GET", f"/cases/{number}").text
    assert "The link to the sender was cut after 2 images: more images may be missing." in page
