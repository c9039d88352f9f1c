"""What stands beside a study in the viewer: the patient's newest earlier study of the same kind, for who may see it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from threading import Event
from urllib.parse import parse_qs, urlsplit

import pytest
from pydicom.uid import generate_uid

from gateway.portal.studies import COMPARE, fusion_link, viewer_link
from gateway.sites import Receiver, let_be_asked
from worklist.models import Case, CaseStudy, PriorSearch, Site, Study
from worklist.priors import look
from worklist.states import Retrieval

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


def test_two_who_look_for_earlier_studies_at_the_same_moment_begin_one_search(web, people, opened) -> None:
    """The second was answered with a 500: the search of a case is one row."""
    case_id, _, site_id = opened
    with web.database.writing() as session:
        let_be_asked(session, session.get_one(Site, site_id), Receiver.parse("PACS@127.0.0.1:4242"), Retrieval.GET)
    begun = Event()

    def second() -> None:
        begun.wait()
        with web.database.writing() as session:
            look(session, session.get_one(Case, case_id), None)

    with ThreadPoolExecutor(1) as pool:
        with web.database.writing() as session:
            look(session, session.get_one(Case, case_id), None)
            session.flush()
            other = pool.submit(second)
            begun.set()
            with pytest.raises(TimeoutError):
                other.result(1)
        other.result(30)
    with web.database.reading() as session:
        assert session.query(PriorSearch).filter_by(case_id=case_id).count() == 1
