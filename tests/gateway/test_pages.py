"""The pages, asked of the whole application on real rows: who gets which, what they say, what their buttons do."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.portal.rights import OPEN_TO_ALL, PAGES
from worklist.access import Viewer
from worklist.models import AuditLine, Case, CaseStudy, Delivery, Instance, Person, Report, Series, Study, Trouble, now
from worklist.states import CaseState, DeliveryState, Role

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

EVIL = '<script>alert("x")</script>'
MakeCase = Callable[..., int]


@pytest.fixture
def add_case(web: Any) -> MakeCase:
    """`add_case(site_id=…, state=…)`: a case with one study of two series, 3 and 4 images; its id."""

    def add(**said: Any) -> int:
        images = said.pop("images", True)
        name = said.pop("name", "Example^Ada")
        with web.database.writing() as session:
            case = Case(**{"subspecialty": "neuroradiology", "due_at": now() + timedelta(hours=9)} | said)
            session.add(case)
            session.flush()
            if images:
                origin = f"site:{case.site_id}" if case.site_id else f"case:{case.id}"
                study = Study(origin=origin, study_uid=f"2.25.{case.id}", patient_name=name, description=f"Head {EVIL}",
                              patient_id="P-7", birth_date="19740303", sex="F", study_date="20261120")  # fmt: skip
                session.add(study)
                session.flush()
                session.add(CaseStudy(case_id=case.id, study_id=study.id))
                for number, count in ((1, 3), (2, 4)):
                    add_series(session, study, number, count)
            return case.id

    return add


def add_series(session: Any, study: Study, number: int, count: int) -> None:
    series = Series(study_id=study.id, series_uid=f"2.25.{study.id}.{number}", modality="MR", number=number)
    session.add(series)
    session.flush()
    common = {"sop_class_uid": "1.2", "transfer_syntax": "1.2", "size": 1, "sha256": "", "archive_id": ""}
    for index in range(count):
        uid = f"{series.series_uid}.{index}"
        session.add(Instance(study_id=study.id, series_id=series.id, sop_uid=uid, **common))


def case_of(web: Any, case_id: int) -> Case:
    with web.database.reading() as session:
        found: Case = session.get_one(Case, case_id)
        return found


class Outline(HTMLParser):
    """What the eye and the policy care about: title, language, labels, headings, scripts, styles, addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.language = self.title = ""
        self.headings = 0
        self.fields: list[tuple[str, dict[str, str | None]]] = []
        self.labelled: set[str | None] = set()
        self.wrapping = 0
        self.inline: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self._in = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self._in = tag
        self.language = said.get("lang") or self.language if tag == "html" else self.language
        self.headings += tag == "h1"
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        self.inline += [f"<{tag} {name}>" for name in said if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in said):
            self.inline.append(f"<{tag}>")
        if tag == "label":
            self.wrapping += 1
            self.labelled.add(said.get("for"))
        if tag in {"input", "textarea", "select"} and said.get("type") not in {"hidden", "submit"}:
            named = self.wrapping > 0 or "aria-label" in said
            self.fields.append((tag, said | {"named": "yes" if named else None}))

    def handle_endtag(self, tag: str) -> None:
        self.wrapping -= tag == "label"
        self._in = ""

    def handle_data(self, data: str) -> None:
        self.title += data if self._in == "title" else ""

    def unlabelled(self) -> list[dict[str, str | None]]:
        return [said for _, said in self.fields if not said["named"] and said.get("id") not in self.labelled]


def test_every_page_is_in_the_table_of_rights(web: Any) -> None:
    ours = {rule.endpoint for rule in web.app.url_map.iter_rules() if rule.endpoint.startswith("portal.")}
    assert {endpoint.removeprefix("portal.") for endpoint in ours} == set(PAGES) | OPEN_TO_ALL


def test_nobody_sees_a_page_without_signing_in_and_comes_back_to_it_after(web: Any) -> None:
    assert web.ask(None, "GET", "/").status_code == 200
    answer = web.ask(None, "GET", "/cases/7?a=b")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/cases/7?a%3Db")
    assert web.ask(None, "GET", "/worklist/rows", headers={"HX-Request": "true"}).status_code == 401


@pytest.mark.parametrize(
    ("path", "roles"),
    [
        ("/worklist", "reader coordinator admin"),
        ("/worklist/rows", "reader coordinator admin"),
        ("/oversight", "coordinator admin"),
        ("/oversight/rows", "coordinator admin"),
        ("/site", "hospital"),
        ("/site/rows", "hospital"),
        ("/requests", "patient"),
        ("/requests/new", "patient"),
    ],
)
def test_a_page_is_missing_for_whoever_it_is_not_for(web: Any, path: str, roles: str) -> None:
    site = web.people.site()
    people = {
        "reader": web.people.reader(),
        "coordinator": web.people.coordinator(),
        "admin": web.people.admin(),
        "hospital": web.people.hospital(site),
        "patient": web.people.patient(),
    }
    let_in = {role for role, who in people.items() if web.ask(who, "GET", path).status_code == 200}
    assert let_in == set(roles.split())
    assert {web.ask(people[role], "GET", path).status_code for role in people.keys() - let_in} == {404}


def test_a_case_page_is_missing_for_whoever_may_not_know_of_the_case(web: Any, add_case: MakeCase) -> None:
    reader, site, patient = web.people.reader(), web.people.site(), web.people.patient()
    case = add_case(site_id=site, state=CaseState.CLAIMED, reader_id=reader.person_id)
    strangers = [web.people.reader(), web.people.reader("thoracic"), patient, web.people.hospital(web.people.site())]
    paths = [f"/cases/{case}{part}" for part in ("", "/news", "/images", "/state", "/preview", "/sign", "/request")]
    assert {web.ask(who, "GET", path).status_code for who in strangers for path in paths} == {404}
    insiders = [reader, web.people.coordinator(), web.people.hospital(site)]
    assert {web.ask(who, "GET", f"/cases/{case}").status_code for who in insiders} == {200}


def everything(web: Any, add_case: MakeCase) -> list[tuple[str, Viewer | None, str]]:
    """One page of every kind, with rows on it: its name, who asks, its address."""
    site = web.people.site()
    reader, patient = web.people.reader(), web.people.patient()
    coordinator, hospital = web.people.coordinator(), web.people.hospital(site)
    held = add_case(site_id=site, state=CaseState.CLAIMED, reader_id=reader.person_id, questions=[EVIL, "Why?"],
                    history=EVIL, prior_report=EVIL, draft={"findings": EVIL})  # fmt: skip
    waiting = add_case(site_id=site, state=CaseState.READY, name=f"{EVIL}^{EVIL}")
    mine = add_case(patient_id=patient.person_id, state=CaseState.DRAFT, reason=EVIL)
    with web.database.writing() as session:
        session.add(Trouble(kind="refused", origin=f"site:{site}", sender=EVIL, reason=EVIL, key="k", study_uid=EVIL))
        on_hold = session.get_one(Case, add_case(site_id=site, state=CaseState.ON_HOLD, reader_id=reader.person_id))
        on_hold.hold_reason = EVIL
    return [
        ("home", None, "/"),
        ("sign in", None, "/login"),
        ("worklist", reader, "/worklist"),
        ("reading room", reader, f"/cases/{held}"),
        ("not claimed", reader, f"/cases/{waiting}"),
        ("held up", reader, f"/cases/{on_hold.id}"),
        ("signing", reader, f"/cases/{held}/sign"),
        ("oversight", coordinator, "/oversight"),
        ("all cases", coordinator, "/worklist"),
        ("a coordinator's case", coordinator, f"/cases/{held}"),
        ("site", hospital, "/site"),
        ("a site's case", hospital, f"/cases/{waiting}"),
        ("a site's request", hospital, f"/cases/{waiting}/request"),
        ("requests", patient, "/requests"),
        ("new request", patient, "/requests/new"),
        ("a patient's case", patient, f"/cases/{mine}"),
        ("an error", patient, "/nowhere"),
    ]


def test_every_page_has_title_language_one_heading_and_a_label_for_each_field(web: Any, add_case: MakeCase) -> None:
    for name, who, path in everything(web, add_case):
        page = Outline(web.ask(who, "GET", path).text)
        assert re.fullmatch(r".+ · Overread", page.title.strip()), name
        assert page.language == "en", name
        assert page.headings == (0 if name == "signing" else 1), name
        assert page.unlabelled() == [], name
        assert len(page.ids) == len(set(page.ids)), name


def test_no_page_needs_more_than_the_policy_allows_or_lets_text_from_outside_become_code(
    web: Any, add_case: MakeCase
) -> None:
    for name, who, path in everything(web, add_case):
        answer = web.ask(who, "GET", path)
        page = Outline(answer.text)
        assert page.inline == [], name
        assert EVIL not in answer.text, name
        assert [each for each in page.addresses if not each.startswith(("/", "#"))] == [], name
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"], name


def test_pages_about_patients_are_kept_by_no_cache(web: Any, add_case: MakeCase) -> None:
    for name, who, path in everything(web, add_case):
        if who is not None:
            assert "no-store" in web.ask(who, "GET", path).headers["Cache-Control"], name


def test_the_worklist_says_who_what_when_and_how_much_with_ones_own_cases_first(web: Any, add_case: MakeCase) -> None:
    reader, site = web.people.reader(), web.people.site()
    late = now() - timedelta(hours=2)
    add_case(site_id=site, state=CaseState.READY, name="Waiting^Wanda", due_at=late, priority="urgent")
    add_case(site_id=site, state=CaseState.CLAIMED, name="Mine^Mia", reader_id=reader.person_id)
    add_case(site_id=site, state=CaseState.READY, name="Other^Otto", subspecialty="thoracic")
    text = web.ask(reader, "GET", "/worklist").text
    assert text.index("Mia Mine") < text.index("Wanda Waiting")
    for said in ("Overdue", "2 hours ago", "52 years at the examination, female",
                 "20 November 2026, 2 series, 7 images", "Urgent", "A Hospital", "MR"):  # fmt: skip
        assert said in text, said
    assert "Otto" not in text


def test_an_empty_worklist_says_what_to_do(web: Any) -> None:
    assert "New ones appear here by themselves" in web.ask(web.people.reader(), "GET", "/worklist").text
    assert "no case can reach you" in web.ask(web.people.person(Role.READER), "GET", "/worklist").text


def test_a_case_of_a_subspecialty_that_no_active_reader_reads_comes_first(web: Any, add_case: MakeCase) -> None:
    """It once waited on a worklist that nobody had, and Oversight said that nothing needs anybody."""
    add_case(site_id=web.people.site(), state=CaseState.READY, subspecialty="breast")
    boss = web.people.coordinator()
    reader = web.people.reader("breast")
    assert "Nobody reads" not in web.ask(boss, "GET", "/oversight/rows").text
    with web.database.writing() as session:
        session.get_one(Person, reader.person_id).active = False
    text = web.ask(boss, "GET", "/oversight/rows").text
    assert "Nobody reads Breast; assign it to another subspecialty or add a reader." in text


def test_of_two_readers_who_claim_the_second_is_told_who_was_first(web: Any, add_case: MakeCase) -> None:
    first, second, stranger = web.people.reader(), web.people.reader(), web.people.reader("thoracic")
    case = add_case(site_id=web.people.site(), state=CaseState.READY)
    answer = web.ask(first, "POST", f"/cases/{case}/claim")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/cases/{case}")
    answer = web.ask(second, "POST", f"/cases/{case}/claim")
    assert answer.status_code == 409
    with web.database.reading() as session:
        reader = session.get_one(Case, case).reader
        assert f"{reader.display_name} was first" in answer.text
    for who in (stranger, web.people.patient(), web.people.person(Role.SITE), web.people.person()):
        answer = web.ask(who, "POST", f"/cases/{case}/claim")
        assert answer.status_code in {403, 404}
        assert reader.display_name not in answer.text
    assert case_of(web, case).reader_id == first.person_id
    with web.database.writing() as session:
        session.get_one(Case, case).state = CaseState.DELIVERED
    answer = web.ask(second, "POST", f"/cases/{case}/claim")
    assert answer.status_code == 404, "who once read a case is no longer a reader's business"
    assert reader.display_name not in answer.text


def test_hold_and_release_need_a_reason_and_resume_does_not(web: Any, add_case: MakeCase) -> None:
    reader = web.people.reader()
    case = add_case(site_id=web.people.site(), state=CaseState.CLAIMED, reader_id=reader.person_id)
    states = []
    for move, reason in (("hold", " "), ("hold", "Series 7 is missing."), ("resume", ""), ("release", ""),
                         ("release", "Not my field.")):  # fmt: skip
        assert web.ask(reader, "POST", f"/cases/{case}/{move}", data={"reason": reason}).status_code == 303
        states.append(case_of(web, case).state.value)
    assert states == ["CLAIMED", "ON_HOLD", "CLAIMED", "CLAIMED", "READY"]


def test_a_button_pressed_twice_or_by_the_wrong_person_changes_nothing(web: Any, add_case: MakeCase) -> None:
    reader, coordinator = web.people.reader(), web.people.coordinator()
    case = add_case(site_id=web.people.site(), state=CaseState.CLAIMED, reader_id=reader.person_id)
    assert web.ask(reader, "POST", f"/cases/{case}/resume").status_code == 409
    assert web.ask(coordinator, "POST", f"/cases/{case}/hold", data={"reason": "x"}).status_code == 403
    assert web.ask(reader, "POST", f"/cases/{case}/deliver").status_code == 404
    assert case_of(web, case).state is CaseState.CLAIMED


def test_a_coordinator_assigns_and_everybody_can_read_why(web: Any, add_case: MakeCase) -> None:
    coordinator, reader = web.people.coordinator(), web.people.reader()
    case = add_case(site_id=web.people.site(), state=CaseState.READY, subspecialty="unassigned")
    assert "Without a subspecialty" in web.ask(coordinator, "GET", "/oversight").text
    web.ask(coordinator, "POST", f"/cases/{case}/assign", data={"subspecialty": "astrology"})
    assert case_of(web, case).subspecialty == "unassigned"
    said = {"subspecialty": "neuroradiology", "why": "It is a brain."}
    web.ask(coordinator, "POST", f"/cases/{case}/assign", data=said)
    assert "It is a brain." in web.ask(reader, "GET", f"/cases/{case}").text


def test_signing_asks_for_what_is_missing(web: Any, add_case: MakeCase) -> None:
    reader = web.people.reader()
    case = add_case(site_id=web.people.site(), state=CaseState.CLAIMED, reader_id=reader.person_id,
                    questions=["Is it new?"], draft={"findings": "Normal."})  # fmt: skip
    text = web.ask(reader, "GET", f"/cases/{case}/sign").text
    for said in ("The impression is empty", "Is it new?", "Agreement with the first report is not chosen"):
        assert said in text
    web.ask(reader, "POST", f"/cases/{case}/sign", data={"seen": ""})
    assert case_of(web, case).state is CaseState.CLAIMED


def test_what_is_signed_is_what_was_seen(web: Any) -> None:
    reader = web.people.reader()
    moment = now()
    case = web.world.held_case(reader, web.people.site(), draft_at=moment)
    web.ask(reader, "POST", f"/cases/{case}/sign", data={"seen": (moment - timedelta(seconds=5)).isoformat()})
    assert case_of(web, case).state is CaseState.CLAIMED
    page = web.ask(reader, "GET", f"/cases/{case}/sign").text
    assert f"Case {case}: " in page  # a signature must not go under the wrong patient
    seen = re.search(r'name="seen" value="([^"]+)"', page)
    assert seen is not None
    web.ask(reader, "POST", f"/cases/{case}/sign", data={"seen": seen[1]})
    assert case_of(web, case).state is CaseState.SIGNED
    assert "The documents are being made" in web.ask(reader, "GET", f"/cases/{case}").text


def add_images(web: Any, case: int, count: int) -> None:
    """Images of the case's study that come now."""
    with web.database.reading() as session:
        study = session.get_one(Case, case).studies[0]
        uids = {"StudyInstanceUID": study.study_uid, "SeriesInstanceUID": study.series[0].series_uid}
    for _ in range(count):
        web.world.receive(web.world.make(**uids), study.origin)
    web.world.carry()


def shown_in(question: str) -> dict[str, str]:
    """What the question before signing says that the reader has seen."""
    return dict(re.findall(r'name="(seen|images_version)" value="([^"]+)"', question))


def held_since_now(web: Any) -> tuple[Viewer, int, int]:
    """A reader, the case that they claimed a moment ago, its site."""
    reader, site = web.people.reader(), web.people.site()
    case = web.world.held_case(reader, site, draft_at=now())
    web.world.release(case)
    assert web.ask(reader, "POST", f"/api/v1/cases/{case}/claim").status_code == 200
    return reader, case, site


def test_images_that_came_after_the_claim_are_named_and_signed_only_when_they_were_shown(web: Any) -> None:
    """A report once went out over images that came while it was written, and nobody had been asked."""
    reader, case, site = held_since_now(web)
    page = web.ask(reader, "GET", f"/cases/{case}/sign").text
    before = shown_in(page)
    add_images(web, case, 2)
    said = "2 images were added after you claimed this case."
    for path in ("", "/news", "/sign"):
        assert said in web.ask(reader, "GET", f"/cases/{case}{path}").text, path
    assert "after the reader claimed" in web.ask(web.people.hospital(site), "GET", f"/cases/{case}").text
    web.ask(reader, "POST", f"/cases/{case}/sign", data=before)
    assert case_of(web, case).state is CaseState.CLAIMED, "the question showed the old images"
    page = web.ask(reader, "GET", f"/cases/{case}/sign").text
    web.ask(
        reader,
        "POST",
        f"/cases/{case}/sign",
        data=shown_in(page),
    )
    assert case_of(web, case).state is CaseState.SIGNED
    assert said not in web.ask(reader, "GET", f"/cases/{case}").text


def test_a_signed_report_says_on_which_images_it_is_based_and_that_later_ones_are_not_among_them(web: Any) -> None:
    reader, case, _ = held_since_now(web)
    add_images(web, case, 2)
    version = web.ask(reader, "GET", f"/api/v1/cases/{case}").json["images_version"]
    assert web.ask(reader, "POST", f"/api/v1/cases/{case}/sign", json={"images_version": version}).status_code == 200
    assert "Based on 3 images received until" in web.ask(reader, "GET", f"/cases/{case}").text
    web.world.publishing().step()
    page = web.ask(reader, "GET", f"/cases/{case}").text
    assert "after the report was signed" not in page, "our own report is no image"
    add_images(web, case, 1)
    page = web.ask(reader, "GET", f"/cases/{case}").text
    assert "1 image was added after the report was signed, which is not based on it." in page
    assert "Based on 3 images received until" in page


def test_images_that_were_kept_aside_are_told_to_everybody_of_the_case_until_they_are_seen_to(web: Any) -> None:
    reader, case, site = held_since_now(web)
    with web.database.writing() as session:
        study = session.get_one(Case, case).studies[0]
        for number in range(2):
            session.add(Trouble(kind="quarantined", origin=study.origin, study_uid=study.study_uid, reason="r",
                                key=f"a{number}"))  # fmt: skip
        session.add(Trouble(kind="quarantined", origin="site:999", study_uid=study.study_uid, reason="r", key="b"))
    told = {
        "2 images of this study were kept aside because they contradict it": reader,
        "2 images that you sent of this study were kept aside": web.people.hospital(site),
    }
    for said, who in told.items():
        assert said in web.ask(who, "GET", f"/cases/{case}").text
    with web.database.writing() as session:
        for trouble in session.query(Trouble):
            trouble.resolved_at = now()
    for said, who in told.items():
        assert said not in web.ask(who, "GET", f"/cases/{case}").text


def test_the_preview_says_what_the_report_will_say(web: Any) -> None:
    reader = web.people.reader()
    case = web.world.held_case(reader, web.people.site(), history=EVIL)
    page = web.ask(reader, "GET", f"/cases/{case}/preview").text
    assert "Draft, not signed" in page
    assert "Normal CT of the head." in page
    assert EVIL not in page
    pdf = web.ask(reader, "GET", f"/cases/{case}/preview.pdf")
    assert pdf.data.startswith(b"%PDF-")
    assert pdf.headers["Content-Disposition"].startswith("inline")


def test_a_form_without_its_token_is_refused(web: Any, add_case: MakeCase) -> None:
    reader = web.people.reader(email="forged@test.example", password="secret")
    case = add_case(site_id=web.people.site(), state=CaseState.READY)
    browser = web.app.test_client()
    token = token_in(browser.get("/login").text)
    said = {"email": "forged@test.example", "password": "secret", "csrf_token": token}
    answer = browser.post("/login", data=said)
    assert answer.status_code == 302, answer.text
    assert browser.get("/worklist").status_code == 200
    assert browser.post(f"/cases/{case}/claim").status_code == 400
    assert browser.post(f"/cases/{case}/files?name=a", data=b"x").status_code == 400
    assert case_of(web, case).state is CaseState.READY
    token = token_in(browser.get("/worklist").text)
    assert browser.post(f"/cases/{case}/claim", data={"csrf_token": token}).status_code == 303
    assert case_of(web, case).reader_id == reader.person_id


def token_in(page: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_a_trouble_is_shown_until_a_coordinator_has_seen_it(web: Any) -> None:
    coordinator, site = web.people.coordinator(), web.people.site()
    with web.database.writing() as session:
        session.add(Trouble(kind="refused", origin=f"site:{site}", sender="PACS", reason="It has no UID", key="k",
                            status=0xC020))  # fmt: skip
    text = web.ask(coordinator, "GET", "/oversight").text
    for said in ("It has no UID", "Refused at the door", "A Hospital", "status C020"):
        assert said in text
    assert "It has no UID" in web.ask(web.people.hospital(site), "GET", "/site").text
    assert "It has no UID" not in web.ask(web.people.hospital(web.people.site()), "GET", "/site").text
    web.ask(coordinator, "POST", "/oversight/troubles/1/seen")
    assert "Nothing needs you" in web.ask(coordinator, "GET", "/oversight").text
    with web.database.reading() as session:
        assert session.query(AuditLine).filter_by(action="seen", person_id=coordinator.person_id).count() == 1


def test_a_refused_delivery_is_tried_again_when_a_coordinator_says_so(web: Any) -> None:
    coordinator, reader = web.people.coordinator(), web.people.reader()
    case = web.world.held_case(reader, web.people.site())
    report = web.world.sign(reader, case)
    with web.database.writing() as session:
        delivery = session.query(Delivery).filter_by(report_id=report).one()
        delivery.destination, delivery.state = "PACS@10.0.0.9:104", DeliveryState.NEEDS_PERSON
        delivery.last_error, delivery.attempts = "The peer refused the SOP class.", 1
        delivery_id = delivery.id
    text = web.ask(coordinator, "GET", "/oversight").text
    for said in ("PACS@10.0.0.9:104", "Refused, needs a person", "The peer refused the SOP class.", "1 attempt so far"):
        assert said in text
    web.ask(coordinator, "POST", f"/oversight/deliveries/{delivery_id}/again")
    with web.database.reading() as session:
        assert session.get_one(Delivery, delivery_id).state is DeliveryState.PENDING


def test_a_page_that_stands_still_loads_anew_when_the_case_moves(web: Any, add_case: MakeCase) -> None:
    site = web.people.site()
    case, hospital = add_case(site_id=site, state=CaseState.READY), web.people.hospital(site)
    poll = poll_in(web.ask(hospital, "GET", f"/cases/{case}").text)
    assert "HX-Refresh" not in web.ask(hospital, "GET", poll).headers
    with web.database.writing() as session:
        session.get_one(Case, case).state = CaseState.AWAITING_IMAGES
    assert web.ask(hospital, "GET", poll).headers["HX-Refresh"] == "true"


def poll_in(page: str) -> str:
    """The one address that the page asks whether anything changed."""
    (found,) = re.findall(r'hx-get="([^"]*/state[^"]*)"', page)
    return html.unescape(found)


def test_every_part_of_a_signed_case_s_page_is_told_anew_at_once(web: Any) -> None:
    """The list of deliveries asked every 2 s, the rest every 5 s: for a while they contradicted each other."""
    reader, site = web.people.reader(), web.people.site()
    case = web.world.held_case(reader, site)
    web.world.sign(reader, case)
    for who in (reader, web.people.hospital(site), web.people.coordinator()):
        page = web.ask(who, "GET", f"/cases/{case}").text
        assert re.findall(r'hx-get="[^"]*/([a-z]+)', page) == ["state"]
        poll = poll_in(page)
        assert "HX-Refresh" not in web.ask(who, "GET", poll).headers
        with web.database.writing() as session:
            session.query(Delivery).one().attempts += 1
        assert web.ask(who, "GET", poll).headers["HX-Refresh"] == "true"


def test_the_signed_report_is_shown_with_its_ways_in_plain_words(web: Any) -> None:
    reader, site = web.people.reader(), web.people.site()
    case = web.world.held_case(reader, site)
    report = web.world.sign(reader, case)
    with web.database.writing() as session:
        session.get_one(Report, report).published_at = now()
        session.query(Delivery).filter_by(report_id=report).one().last_error = "The connection was refused."
    for who in (reader, web.people.hospital(site), web.people.coordinator()):
        text = web.ask(who, "GET", f"/cases/{case}").text
        for said in ("Normal CT of the head.", "Download the PDF", "Not delivered yet", "The connection was refused."):
            assert said in text
