"""Images that say next to nothing of themselves: pages say so in words, or nothing at all."""

from __future__ import annotations

import re

import pytest
from pydicom.uid import generate_uid

from worklist.models import now

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SILENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
          "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "Modality", "SeriesNumber",
          "InstanceNumber", "BodyPartExamined")  # fmt: skip
OURS = "None yet"
"""Where we say None, and mean it."""
DRAFT = {"findings": "f", "impression": "i", "concordance": "not_provided"}


def test_nothing_that_an_image_does_not_say_is_shown_as_none(web, people) -> None:
    site, reader, boss = people.site(), people.reader(), people.coordinator()
    hospital, uid = people.hospital(site), generate_uid()
    empty = dict.fromkeys(SILENT)
    image = web.world.make(StudyInstanceUID=uid, **empty)
    held = web.world.held_case(reader, site, image, draft=DRAFT, draft_at=now())
    for said in ({}, {"PatientName": "Other^Olga", "SeriesDescription": None, "ImageType": ["DERIVED", "", "AXIAL"]}):
        web.world.receive(web.world.make(**{"StudyInstanceUID": uid} | empty | said), f"site:{site}")
    web.world.receive(web.world.make(**{"StudyInstanceUID": generate_uid()} | empty), f"site:{site}")
    web.world.carry()
    aside = [one.id for one in web.world.troubles()]
    assert aside
    asked = [
        (who, path)
        for who, paths in (
            (reader, ("/worklist", f"/cases/{held}", f"/cases/{held}/look",
                      f"/cases/{held}/sign", f"/cases/{held}/preview",
                      f"/api/v1/cases/{held}", f"/dicom-web/cases/{held}/studies/{uid}/series?includefield=all",
                      f"/dicom-web/cases/{held}/studies/{uid}/metadata")),
            (boss, ("/oversight", f"/cases/{held}", "/quarantine", "/arrivals",
                    f"/cases/{held}/links", f"/cases/{held}/seen",
                    *(f"/quarantine/{one}" for one in aside), *(f"/api/v1/quarantine/{one}" for one in aside))),
            (hospital, ("/site", f"/cases/{held}", "/arrivals", "/api/v1/arrivals")),
        )
        for path in paths
    ]  # fmt: skip
    for who, path in asked:
        answer = web.ask(who, "GET", path)
        assert answer.status_code == 200, (path, answer.text)
        assert re.findall(r".{60}\bNone\b.{40}", answer.text.replace(OURS, ""), re.DOTALL) == [], path
