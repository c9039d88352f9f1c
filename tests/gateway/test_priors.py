"""What stands beside a study in the viewer: the patient's newest earlier study of the same kind, for who may see it."""

from __future__ import annotations

from secrets import token_hex
from urllib.parse import parse_qs, urlsplit

import pytest
from pydicom.uid import generate_uid

from gateway.portal.studies import COMPARE, fusion_link, viewer_link
from worklist.models import Case, CaseStudy, Study

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def opened(web, people):
    """A CT of a site, of whose patient it sent an older CT and a younger MR before; case, UIDs, site."""
    site, patient = people.site(), token_hex(6)
    uids = {name: generate_uid() for name in ("study", "older", "other kind")}
    sent = (("older", "20240101", "CT"), ("other kind", "20250101", "MR"), ("study", "20261120", "CT"))
    for name, date, modality in sent:
        said = {"StudyInstanceUID": uids[name], "StudyDate": date, "Modality": modality, "PatientID": patient}
        web.world.receive(web.world.make(**said), f"site:{site}")
    web.world.carry()
    with web.database.writing() as session:
        case = Case(state="READY", subspecialty="thoracic", site_id=site)
        session.add(case)
        session.flush()
        study = session.query(Study).filter_by(study_uid=uids["study"]).one()
        session.add(CaseStudy(case_id=case.id, study_id=study.id))
        return case.id, uids, site


def link_of(page: str) -> dict[str, list[str]]:
    address = page.partition('id="open-images"')[0].rpartition('href="')[2].partition('"')[0]
    return parse_qs(urlsplit(address.replace("&amp;", "&")).query)


@on_sqlite
def test_the_reader_opens_the_study_beside_the_newest_prior_of_its_kind(web, people, opened) -> None:
    case, uids, _ = opened
    link = link_of(web.ask(people.reader("thoracic"), "GET", f"/cases/{case}").text)
    assert link["StudyInstanceUIDs"] == [uids["study"], uids["older"]]
    assert (link["hangingprotocolId"], link["case"]) == ([COMPARE], [str(case)])


@on_sqlite
def test_who_sees_no_priors_opens_the_study_alone(web, people, opened) -> None:
    case, uids, site = opened
    link = link_of(web.ask(people.hospital(site), "GET", f"/cases/{case}").text)
    assert link["StudyInstanceUIDs"] == [uids["study"]]
    assert "hangingprotocolId" not in link


def test_nothing_to_open_has_no_link() -> None:
    assert (viewer_link(7, ()), fusion_link(7, ())) == ("", "")
