"""Links for somebody without an account: images and signed report of one case, after a second secret, for a time."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread

from gateway.accounts import guessing
from gateway.accounts.devices import digest
from gateway.accounts.guests import hashed
from worklist import sharing
from worklist.models import AccessLine, AuditLine, Case, CaseStudy, ShareLink, ShareVisit, Study, now
from worklist.states import CaseState

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

BORN = "1960-01-01"


@pytest.fixture
def shared(web, people, make) -> Any:
    """A signed case of a patient and a site with two studies, of which the second is not shared."""
    return Shared(web, people, make)


class Shared:
    def __init__(self, web, people, make) -> None:
        self.web, site = web, people.site()
        self.owner, self.hospital, self.reader = people.patient(), people.hospital(site), people.reader()
        first, second = make(), make()
        self.case_id = web.world.held_case(self.reader, site, first, patient_id=self.owner.person_id)
        web.world.receive(second, f"site:{site}")
        web.world.carry()
        self.uids = [dcmread(BytesIO(each)).StudyInstanceUID for each in (first, second)]
        with web.database.writing() as session:
            rows = {study.study_uid: study.id for study in session.query(Study)}
            self.study_ids = [rows[uid] for uid in self.uids]
            session.add(CaseStudy(case_id=self.case_id, study_id=self.study_ids[1]))
        self.guest = web.app.test_client()

    def make(self, who: Any = None, factor: str = "birth date", studies: tuple[int, ...] = (0,)) -> tuple[str, str]:
        """Make a link on the page; its secret, and what must be known besides."""
        form = {"made_for": "Dr Miller", "factor": factor, "days": "7", "study": [self.study_ids[i] for i in studies]}
        page = self.web.ask(who or self.owner, "POST", f"/cases/{self.case_id}/links", data=form).get_data(as_text=True)
        secret = re.search(r"/shared#[bp]\.([A-Za-z0-9_-]+)", page)[1]
        pin = re.search(r'id="pin" readonly value="(\d{6})"', page)
        return secret, pin[1] if pin else BORN

    def open(self, secret: str, second: str, guest: Any = None) -> Any:
        guest = guest or self.guest
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', guest.get("/shared").get_data(as_text=True))[1]
        return guest.post("/shared", data={"link": secret, "second": second, "csrf_token": token})

    def images(self, study: int = 0, root: str = "") -> int:
        return self.guest.get(f"/dicom-web{root}/studies/{self.uids[study]}/metadata").status_code

    @property
    def root(self) -> str:
        return f"/cases/{self.case_id}"


@pytest.mark.parametrize("factor", ["birth date", "PIN"])
def test_a_link_and_its_second_secret_show_the_chosen_images_and_nothing_else(shared, factor) -> None:
    secret, second = shared.make(factor=factor)
    assert shared.images(root=shared.root) == 401
    assert shared.guest.get("/shared/look").location == "/shared"
    assert shared.open(secret, second).location == "/shared/case"
    assert f'data-root="/dicom-web{shared.root}"' in shared.guest.get("/shared/look").get_data(as_text=True)
    assert [shared.images(root=root) for root in ("", shared.root)] == [200, 200]
    assert [shared.images(1, root) for root in ("", shared.root)] == [404, 404]
    searched = shared.guest.get(f"/dicom-web{shared.root}/studies").json
    assert [one["0020000D"]["Value"] for one in searched] == [[shared.uids[0]]]
    assert shared.guest.get("/api/v1/cases").status_code == 401
    for path in (f"/cases/{shared.case_id}", f"/cases/{shared.case_id}/links", "/requests", "/worklist"):
        assert "/login" in shared.guest.get(path).location
    stored = shared.guest.post(f"/dicom-web{shared.root}/studies", headers={"Origin": "http://localhost"})
    assert stored.status_code == 403


def test_the_signed_report_is_shown_and_no_draft(shared) -> None:
    shared.open(*shared.make())
    before = shared.guest.get("/shared/case").get_data(as_text=True)
    assert "No report has been signed yet" in before
    assert "Normal CT of the head" not in before
    assert shared.guest.get("/shared/report.pdf").status_code == 404
    shared.web.world.sign(shared.reader, shared.case_id)
    shared.web.world.publishing().step()
    assert "Normal CT of the head" in shared.guest.get("/shared/case").get_data(as_text=True)
    report = shared.guest.get("/shared/report.pdf")
    assert (report.status_code, report.data[:5]) == (200, b"%PDF-")
    assert report.headers["Referrer-Policy"] == "no-referrer"


def test_a_wrong_second_secret_and_no_such_link_look_the_same(shared) -> None:
    secret, second = shared.make()
    wrong, none = shared.open(secret, "1970-01-01"), shared.open("A" * 43, second)
    assert wrong.status_code == none.status_code == 403
    assert visible(wrong) == visible(none)
    assert shared.images() == 401


def visible(answer: Any) -> str:
    return re.sub(r'(value|content)="[^"]*"', "", answer.get_data(as_text=True))


def test_a_link_that_was_ended_shows_nothing_from_the_next_request_on(shared) -> None:
    shared.open(*shared.make())
    assert shared.images() == 200
    with shared.web.database.reading() as session:
        link_id = session.query(ShareLink).one().id
    ended = shared.web.ask(shared.hospital, "POST", f"/cases/{shared.case_id}/links/{link_id}/end")
    assert ended.status_code == 303
    assert shared.images() == 401
    assert shared.guest.get("/shared/case").location == "/shared"
    assert "the link has ended" in shared.guest.get("/shared").get_data(as_text=True)


@pytest.mark.parametrize("end", ["time", "case", "visit"])
def test_a_link_ends_with_its_time_its_case_or_the_visit(shared, end) -> None:
    secret, second = shared.make()
    shared.open(secret, second)
    with shared.web.database.writing() as session:
        if end == "time":
            session.query(ShareLink).one().expires_at = now() - timedelta(seconds=1)
        elif end == "case":
            session.get_one(Case, shared.case_id).state = CaseState.CANCELLED
        else:
            session.query(ShareVisit).one().created_at = now() - timedelta(hours=13)
    assert shared.images() == 401
    if end == "time":
        assert shared.open(secret, second).status_code == 403


def test_after_eight_mistakes_a_link_is_closed_to_the_right_answer_too(shared) -> None:
    secret, second = shared.make()
    shared.open(secret, second)
    with shared.web.database.writing() as session:
        attempts = [sharing.begin_attempt(session, digest(secret)) for _ in range(sharing.MOST_MISTAKES + 1)]
    assert [link is not None for link in attempts] == [True] * sharing.MOST_MISTAKES + [False]
    other = shared.web.app.test_client()
    assert shared.open(secret, second, other).status_code == 403
    assert shared.images() == 200, "whoever had opened it before is not shut out by a stranger's guesses"


def test_guessing_is_slowed_down(shared, monkeypatch) -> None:
    monkeypatch.setattr(guessing, "FIRST_PAUSE", 60.0)
    secret, _ = shared.make()
    statuses = [shared.open(secret, "1970-01-01").status_code for _ in range(8)]
    assert statuses[:3] == [403] * 3
    assert statuses[-1] == 429


def test_the_database_knows_neither_secret(shared) -> None:
    secret, pin = shared.make(factor="PIN")
    shared.open(secret, pin)
    with shared.web.database.reading() as session:
        link, visit = session.query(ShareLink).one(), session.query(ShareVisit).one()
        told = " ".join(str(value) for row in (link, visit) for value in vars(row).values())
    assert secret not in told
    assert pin not in told
    assert link.factor.startswith("$argon2id$")


@pytest.mark.parametrize("who", ["reader", "stranger"])
def test_neither_readers_nor_strangers_share_a_case(shared, people, who) -> None:
    asking = shared.reader if who == "reader" else people.patient()
    for method, path in (("GET", "links"), ("POST", "links"), ("POST", "links/1/end"), ("GET", "seen")):
        assert shared.web.ask(asking, method, f"/cases/{shared.case_id}/{path}").status_code == 404


def test_a_study_of_another_case_cannot_be_shared(shared, people) -> None:
    form = {"made_for": "x", "factor": "PIN", "days": "7", "study": ["99999"]}
    made = shared.web.ask(shared.owner, "POST", f"/cases/{shared.case_id}/links", data=form)
    assert made.status_code == 409
    with shared.web.database.reading() as session:
        assert session.query(ShareLink).count() == 0


def test_a_signed_in_person_with_a_link_has_both_rights(shared, people) -> None:
    """The doctor to whom it was sent may have an account of their own."""
    shared.open(*shared.make())
    doctor = {"Authorization": f"Bearer {shared.web.token(people.reader('thoracic'))}"}
    path = f"/dicom-web{shared.root}/studies/{shared.uids[0]}/metadata"
    assert shared.guest.get(path, headers=doctor).status_code == 200
    assert shared.guest.get(path.replace(*shared.uids), headers=doctor).status_code == 404
    assert shared.guest.get(f"/api/v1/cases/{shared.case_id}", headers=doctor).status_code == 404


def test_who_looked_is_told_to_patient_and_coordinator(shared, people) -> None:
    shared.open(*shared.make())
    shared.images(root=shared.root)
    shared.images(1, root=shared.root)
    shared.web.app.test_client().get(f"/dicom-web/studies/{shared.uids[0]}/metadata")
    shared.web.app.extensions["overread-access-log"].write()
    page = shared.web.ask(shared.owner, "GET", f"/cases/{shared.case_id}/seen").get_data(as_text=True)
    assert '<strong>Dr Miller</strong> <span class="faint">by a link</span>' in page
    assert "Every kind of request" not in page
    page = shared.web.ask(people.coordinator(), "GET", f"/cases/{shared.case_id}/seen").get_data(as_text=True)
    assert "not given (404)" in page
    assert "the link for Dr Miller" in page
    with shared.web.database.reading() as session:
        told = {(line.person_id, line.link_id, line.study_uid, line.status) for line in session.query(AccessLine)}
        link_id = session.query(ShareLink).one().id
        acts = [line.action for line in session.query(AuditLine).order_by(AuditLine.id)]
    assert told == {
        (None, link_id, shared.uids[0], 200),
        (None, link_id, shared.uids[1], 404),
        (None, None, "", 401),  # of nobody it is not noted of which study
    }
    assert {"share", "open a shared link"} <= set(acts)


def test_the_birth_date_is_asked_however_it_is_written(shared) -> None:
    secret, _ = shared.make()
    assert shared.open(secret, "19600101").status_code == 303
    assert hashed("01 23-45") != hashed("012345"), "salted"


def test_a_link_is_for_one_case_alone(shared, people) -> None:
    """Whoever has a link to one case does not come to the same studies below another."""
    shared.open(*shared.make())
    with shared.web.database.writing() as session:
        other = Case(state=CaseState.READY, subspecialty="thoracic")
        session.add(other)
        session.flush()
        session.add(CaseStudy(case_id=other.id, study_id=shared.study_ids[0]))
        other_id = other.id
    assert shared.images(root=f"/cases/{other_id}") == 404
