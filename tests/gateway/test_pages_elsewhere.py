"""The same study from two origins: said on the case's page, and the link to the images names the case."""

from __future__ import annotations

import re
from html import unescape

import pytest

from worklist.models import Case, CaseStudy, Instance, Series, Site, Study
from worklist.states import CaseState

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def two_cases(web, people):
    """A patient's upload (neuroradiology) and a hospital's push (thoracic) of one study: patient, site, their cases."""
    patient, site = people.patient(), people.site()
    with web.database.writing() as session:
        session.get_one(Site, site).name = "St Mary"
        upload = Case(state=CaseState.READY, subspecialty="neuroradiology", patient_id=patient.person_id)
        pushed = Case(state=CaseState.READY, subspecialty="thoracic", site_id=site)
        session.add_all([upload, pushed])
        session.flush()
        for case, origin in ((upload, f"case:{upload.id}"), (pushed, f"site:{site}")):
            study = Study(origin=origin, study_uid="2.25.1", patient_name="Example^Ada")
            session.add(study)
            session.flush()
            series = Series(study_id=study.id, series_uid="2.25.1.1", modality="CT")
            session.add_all([series, CaseStudy(case_id=case.id, study_id=study.id)])
            session.flush()
            session.add(Instance(study_id=study.id, series_id=series.id, sop_uid="2.25.1.1.1", sop_class_uid="1.2",
                                 transfer_syntax="1.2", size=1, sha256="", archive_id=""))  # fmt: skip
        return patient, site, upload.id, pushed.id


def notice(web, who, case_id: int) -> str:
    """The sentence as somebody reads it, "" if there is none."""
    page = web.ask(who, "GET", f"/cases/{case_id}").text
    found = re.search(r'<p [^>]*id="elsewhere">(.*?)</p>', page)
    return found[1] if found else ""


def test_a_reader_is_told_the_fact_and_nothing_of_a_case_that_they_may_not_see(web, people, two_cases) -> None:
    *_, pushed = two_cases
    said = notice(web, people.reader("thoracic"), pushed)
    assert said == "The same study also came from another sender; what you see here is only what St Mary sent."


def test_whoever_may_see_both_cases_gets_the_link(web, people, two_cases) -> None:
    _, _, upload, pushed = two_cases
    for who in (people.coordinator(), people.reader("thoracic", "neuroradiology")):
        assert f'<a href="/cases/{pushed}">St Mary (case {pushed})</a>' in notice(web, who, upload)
        assert f'href="/cases/{upload}"' in notice(web, who, pushed)


def test_requesters_are_not_told_of_one_another(web, people, two_cases) -> None:
    patient, site, upload, pushed = two_cases
    assert notice(web, patient, upload) == notice(web, people.hospital(site), pushed) == ""


def test_of_a_study_from_one_origin_nothing_is_said(web, people, two_cases) -> None:
    *_, upload, pushed = two_cases
    with web.database.writing() as session:
        session.query(Study).filter(Study.origin == f"case:{upload}").one().study_uid = "2.25.2"
    assert notice(web, people.coordinator(), pushed) == ""


def test_every_link_to_the_images_names_the_case(web, people, two_cases) -> None:
    patient, site, upload, pushed = two_cases
    reader = people.reader("thoracic", "neuroradiology")
    for who, case_id in ((patient, upload), (people.hospital(site), pushed), (reader, upload), (reader, pushed)):
        page = unescape(web.ask(who, "GET", f"/cases/{case_id}").text)
        assert set(re.findall(r'"(/ohif/[^"]*)"', page)) == {f"/ohif/viewer?StudyInstanceUIDs=2.25.1&case={case_id}"}
