"""An accepted version in the place of an image: said as what it is, in the history, and never under a signature."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydicom.uid import generate_uid

from gateway.quarantine import Quarantine
from orthanc.decoder import Decoder
from worklist import lifecycle
from worklist.models import AuditLine, Case, Trouble, now
from worklist.seen import Unseen
from worklist.states import CaseState
from worklist.troubles import SETTLING

ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

REPLACED = "1 image was replaced after you claimed this case."


@pytest.fixture
def uids():
    return {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), "SOPInstanceUID": generate_uid()}


@pytest.fixture
def site(people):
    return people.site("ST_MARY")


@pytest.fixture
def reader(people):
    return people.reader()


@pytest.fixture
def boss(people):
    return people.coordinator()


@pytest.fixture
def case(web, reader, site, uids):
    """A case that the reader claimed a moment ago, with one image."""
    made = web.world.held_case(reader, site, web.world.make(**uids), draft_at=now())
    web.world.release(made)
    with web.database.writing() as session:
        lifecycle.claim(session, session.get_one(Case, made), reader)
    return made


@pytest.fixture
def accept(web, boss, site, case, uids):
    """Sends another version of the image (`said` makes it one), and accepts it; the id of its trouble."""

    def accepted(**said) -> int:
        web.world.receive(web.world.make(**uids | {"PixelData": bytes([7] * 128)} | said), f"site:{site}")
        web.world.carry()
        trouble = next(one.id for one in web.world.troubles() if one.resolved_at is None)
        assert web.ask(boss, "POST", f"/api/v1/quarantine/{trouble}/accept", json={}).status_code == 200
        return trouble

    return accepted


def carry_back(web) -> None:
    """Let accepted objects go back into the inbox; ingest has not seen them yet."""
    world = web.world
    Quarantine(world.database, world.inbox, world.cache, Decoder(), world.folders.quarantine).carry()


def let_it_settle(web) -> None:
    """Ingest takes longer than a signature waits."""
    with web.database.writing() as session:
        for row in session.query(Trouble).filter(Trouble.carried_at.is_not(None)):
            row.carried_at = now() - SETTLING - timedelta(seconds=1)


def history(web, case: int) -> list[str]:
    with web.database.reading() as session:
        return [line.action for line in session.query(AuditLine).filter_by(case_id=case).order_by(AuditLine.id)]


@pytest.mark.parametrize("said", [{}, {"SeriesInstanceUID": "1.2.3"}], ids=["in its series", "into another series"])
def test_one_accepted_version_is_one_image_that_was_replaced(web, reader, site, case, accept, said) -> None:
    """It once was counted as two images that had been added."""
    accept(**said)
    carry_back(web)
    web.world.carry()
    for part in ("", "/news", "/sign"):
        page = web.ask(reader, "GET", f"/cases/{case}{part}").text
        assert REPLACED in page, part
        assert "added" not in page, part
    hospital = web.ask(web.people.hospital(site), "GET", f"/cases/{case}").text
    assert "1 image was replaced after the reader claimed" in hospital
    told = web.ask(reader, "GET", f"/api/v1/cases/{case}").json
    assert (told["images_added"], told["images_replaced"], told["images_added_at"]) == (0, 1, None)
    assert told["images_replaced_at"] is not None
    let_it_settle(web)
    refused = web.ask(reader, "POST", f"/api/v1/cases/{case}/sign", json={})
    assert (refused.status_code, refused.json["images_added"], refused.json["images_replaced"]) == (409, 0, 1)
    assert REPLACED in refused.json["detail"]
    seen = {"images_version": told["images_version"]}
    assert web.ask(reader, "POST", f"/api/v1/cases/{case}/sign", json=seen).status_code == 200
    assert "after the report was signed" not in web.ask(reader, "GET", f"/cases/{case}").text


@ONE_ENGINE
def test_what_was_added_and_what_was_replaced_are_said_apart(web, reader, site, case, uids, accept) -> None:
    accept()
    carry_back(web)
    for _ in range(2):
        web.world.receive(web.world.make(**uids | {"SOPInstanceUID": generate_uid()}), f"site:{site}")
    web.world.carry()
    page = web.ask(reader, "GET", f"/cases/{case}/sign").text
    assert "2 images were added and 1 image was replaced after you claimed this case." in page


@ONE_ENGINE
def test_a_case_that_waits_says_that_images_were_replaced_and_a_later_claim_begins_anew(
    web, reader, case, accept
) -> None:
    web.ask(reader, "POST", f"/api/v1/cases/{case}/release", json={"reason": "Not now."})
    accept()
    carry_back(web)
    web.world.carry()
    assert "Images were replaced. Open the images again" in web.ask(reader, "GET", f"/cases/{case}").text
    assert "Images were replaced" in web.ask(reader, "GET", "/worklist").text
    assert web.ask(reader, "POST", f"/api/v1/cases/{case}/claim").json["images_replaced"] == 0


@ONE_ENGINE
def test_every_step_leaves_a_line_in_the_history_of_the_case(web, boss, site, case, uids, accept) -> None:
    """Only the decisions were written down, and not with the case."""
    accept()
    carry_back(web)
    web.world.carry()
    web.world.receive(web.world.make(**uids, PatientID="P-2"), f"site:{site}")
    web.world.carry()
    trouble = next(one.id for one in web.world.troubles() if one.resolved_at is None)
    web.ask(boss, "POST", f"/api/v1/quarantine/{trouble}/reject", json={"answer": "Not ours."})
    assert history(web, case)[1:] == [
        "quarantine: kept aside", "quarantine: accepted", "image replaced",
        "quarantine: kept aside", "quarantine: rejected",
    ]  # fmt: skip
    page = web.ask(boss, "GET", f"/cases/{case}").text
    assert "took the place of image" in page
    assert "Not ours." in page


def test_nobody_signs_while_an_accepted_version_is_on_its_way(web, reader, case, accept) -> None:
    accept()
    for step in (lambda: None, lambda: carry_back(web)):
        step()
        with pytest.raises(Unseen, match="just being replaced"):
            web.world.sign(reader, case)
    with web.database.reading() as session:
        assert session.get_one(Case, case).state is CaseState.CLAIMED


def test_what_was_signed_upon_while_ingest_took_long_is_not_replaced(web, boss, reader, case, accept) -> None:
    """The signature waited half a minute for ingest, and then the accepted version went under it."""
    trouble = accept()
    carry_back(web)
    let_it_settle(web)
    web.world.sign(reader, case)
    (signed,) = web.world.instances()
    web.world.carry()
    (row,) = web.world.instances()
    assert (row.sha256, row.archive_id) == (signed.sha256, signed.archive_id)
    (back,) = web.world.troubles()
    assert (back.id, back.decision, back.resolved_at, back.carried_at) == (trouble, "", None, None)
    assert "meanwhile a report was signed" in back.reason
    assert (back.series_number, back.instance_number) == (1, signed.number), "it was once shown without its number"
    assert (web.world.folders.quarantine / back.file).exists()
    assert web.world.waiting() == 0
    assert web.world.studies()[0].replaced == 0
    assert history(web, case)[-1] == "quarantine: kept aside"
    assert web.ask(boss, "POST", f"/api/v1/quarantine/{trouble}/accept", json={}).status_code == 403


@ONE_ENGINE
def test_what_ingest_kept_aside_again_before_its_carrying_was_noted_waits_for_a_decision(
    web, reader, case, accept, monkeypatch
) -> None:
    """Between the move back and its note, ingest may be faster: the object then lay aside as accepted for ever."""
    accept()
    monkeypatch.setattr("gateway.quarantine.carried", lambda *_: None)
    carry_back(web)
    monkeypatch.undo()
    monkeypatch.setattr("gateway.signing.being_replaced", lambda *_: False)
    web.world.sign(reader, case)
    web.world.carry()
    carry_back(web)
    (back,) = web.world.troubles()
    assert (back.decision, back.resolved_at, back.carried_at) == ("", None, None)
    assert (web.world.folders.quarantine / back.file).exists()


@ONE_ENGINE
def test_one_that_was_signed_upon_holds_up_nothing_of_its_batch(web, reader, site, case, uids, accept) -> None:
    accept()
    carry_back(web)
    let_it_settle(web)
    web.world.sign(reader, case)
    web.world.receive(web.world.make(**uids | {"SOPInstanceUID": generate_uid()}), f"site:{site}")
    assert web.world.ingest.step()
    assert len(web.world.instances()) == 2
    assert web.world.waiting() == 0
    assert "1 image was added after the report was signed" in web.ask(reader, "GET", f"/cases/{case}").text
