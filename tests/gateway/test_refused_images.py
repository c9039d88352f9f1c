"""An image that was refused at the door is missed on its case until it has come after all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydicom.uid import CTImageStorage, generate_uid

from gateway.troubles import note_refusals
from scp.arrival import Refusal
from scp.part10 import split_part10
from scp.screen import screen
from worklist import lifecycle, settling
from worklist.models import AuditLine, Case, Study, Trouble, now
from worklist.routing import Routed
from worklist.routing_rules import Priority
from worklist.settling import Waiting
from worklist.subspecialties import Subspecialty

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)

SAID = "1 image of this study was refused: The object ends before its data does. It is not among the images."


@pytest.fixture
def site(people):
    return people.site("ST_MARY")


@pytest.fixture
def reader(people):
    return people.reader()


@pytest.fixture
def case(web, reader, site):
    """A case that the reader claimed a moment ago."""
    made = web.world.held_case(reader, site, draft_at=now())
    web.world.release(made)
    with web.database.writing() as session:
        lifecycle.claim(session, session.get_one(Case, made), reader)
    return made


@pytest.fixture
def slice_(web, case):
    """A further image of the study of the case that its sender has."""
    study = web.world.studies()[0]
    series = generate_uid()
    return web.world.make(StudyInstanceUID=study.study_uid, SeriesInstanceUID=series, SOPInstanceUID=generate_uid())


def refusal(image: bytes, origin: str) -> Refusal:
    """What the receiver notes of an image whose end is missing."""
    syntax, dataset = split_part10(image)
    said = screen(dataset, syntax)
    reason = "The object ends before its data does (at byte 512)"
    return Refusal(origin, "CT_1", reason, 0xC010, CTImageStorage, said.sop_uid, said.study_uid, now(), said.series_uid)


def note(web, *refusals: Refusal) -> None:
    for each in refusals:
        web.world.inbox.refuse(each)
    note_refusals(web.world.inbox, web.database)


def page(web, who, case: int, part: str = "") -> str:
    return web.ask(who, "GET", f"/cases/{case}{part}").text


def told(web, who, case: int) -> list[tuple[str, int, str]]:
    (study,) = web.ask(who, "GET", f"/api/v1/cases/{case}").json["studies"]
    return [(one["kind"], one["count"], one["reason"]) for one in study["remarks"]]


def history(web, case: int) -> list[tuple[str, str]]:
    with web.database.reading() as session:
        lines = session.query(AuditLine).filter_by(case_id=case).order_by(AuditLine.id)
        return [(line.action, line.detail) for line in lines]


def test_everybody_of_the_case_is_told_that_an_image_of_it_was_refused(web, people, site, reader, case, slice_) -> None:
    """Its reader once signed without a slice that the receiver had refused, and had not been told."""
    note(web, refusal(slice_, f"site:{site}"))
    for who in (reader, people.hospital(site), people.coordinator()):
        assert SAID in page(web, who, case)
        assert told(web, who, case) == [("refused", 1, "The object ends before its data does")]
    assert SAID in page(web, reader, case, "/remarks"), "while the reader writes, too"
    assert SAID in page(web, reader, case, "/sign")
    study = web.world.studies()[0]
    said = f"1 of study {study.study_uid}: The object ends before its data does"
    assert ("refused at the door", said) in history(web, case)


def test_the_remark_is_gone_when_the_sender_s_own_retry_has_succeeded(web, site, reader, case, slice_) -> None:
    note(web, refusal(slice_, f"site:{site}"))
    web.world.receive(slice_, f"site:{site}")
    web.world.carry()
    assert SAID not in page(web, reader, case)
    assert told(web, reader, case) == []


def test_a_refusal_that_is_noted_after_the_retry_says_nothing(web, site, reader, case, slice_) -> None:
    web.world.receive(slice_, f"site:{site}")
    web.world.carry()
    note(web, refusal(slice_, f"site:{site}"))
    assert told(web, reader, case) == []


def test_that_a_coordinator_has_seen_a_refusal_does_not_bring_the_image(
    web, people, site, reader, case, slice_
) -> None:
    note(web, refusal(slice_, f"site:{site}"))
    web.ask(people.coordinator(), "POST", f"/oversight/troubles/{web.world.troubles()[0].id}/seen")
    assert len(told(web, reader, case)) == 1


def test_nobody_puts_a_remark_on_the_case_of_another_site(web, people, site, reader, case, slice_) -> None:
    other = people.site("ST_PAUL")
    elsewhere = replace(refusal(slice_, f"site:{site}"), study_uid="")
    note(web, refusal(slice_, f"site:{other}"), elsewhere)
    assert told(web, reader, case) == []
    assert "refused" not in page(web, reader, case)
    assert [each for each in history(web, case) if "refused" in each[0]] == []


def test_each_image_counts_once_with_the_last_reason_and_without_places(web, site, reader, case, slice_) -> None:
    first = refusal(slice_, f"site:{site}")
    others = [replace(first, sop_uid=generate_uid(), reason=first.reason.replace("512", str(n))) for n in range(3)]
    note(web, replace(first, reason="The object does not follow its transfer syntax (at byte 9)", status=0xC011))
    note(web, first, *others)
    assert told(web, reader, case) == [("refused", 4, "The object ends before its data does")]
    assert "4 images of this study were refused" in page(web, reader, case)


def test_a_remark_names_its_series_where_that_is_here(web, site, reader, case, slice_) -> None:
    with web.database.reading() as session:
        series = session.query(Study).one().series[0]
    note(web, replace(refusal(slice_, f"site:{site}"), series_uid=series.series_uid))
    assert "Series 1: 1 image of this series was refused" in page(web, reader, case)


def test_a_new_case_begins_with_what_was_refused_and_kept_aside_before(web, people, site) -> None:
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    good, other, broken = (web.world.make(**uids, PatientID=patient) for patient in ("P-1", "P-2", "P-1"))
    for image in (good, other):
        web.world.receive(image, f"site:{site}")
    web.world.carry()
    note(web, refusal(broken, f"site:{site}"))
    aside = next(one for one in web.world.troubles() if one.kind == "quarantined")
    answer = {"answer": "Send it with its own study."}
    web.ask(people.coordinator(), "POST", f"/api/v1/quarantine/{aside.id}/reject", json=answer)
    route = Routed("rule", Subspecialty.NEURORADIOLOGY, Priority.ROUTINE, 24.0, "because")
    quiet = Waiting(timedelta(), timedelta(), now() + timedelta(minutes=1))
    with web.database.writing() as session:
        (opened,) = settling.settle(session, quiet, lambda _: route)
    study = f"1 of study {uids['StudyInstanceUID']}: "
    assert history(web, opened)[:3] == [
        ("quarantine: kept aside", f"{study}Its Patient ID is not that of the other images of the same study."),
        ("quarantine: rejected", f"{study}Send it with its own study."),
        ("refused at the door", f"{study}The object ends before its data does"),
    ]


def test_a_refusal_that_comes_again_is_one_row_with_its_last_moment(web, site, case, slice_) -> None:
    first = refusal(slice_, f"site:{site}")
    note(web, first)
    note(web, replace(first, received_at=first.received_at + timedelta(minutes=5)))
    (row,) = web.world.troubles()
    assert row.received_at == first.received_at + timedelta(minutes=5)
    with web.database.reading() as session:
        assert session.query(Trouble).count() == 1
