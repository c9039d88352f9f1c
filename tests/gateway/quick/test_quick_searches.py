"""Searches that need no application: the same answers as the routes give, and not one request too late."""

from __future__ import annotations

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import update

from dicomweb import quick_searches
from worklist.models import ApiToken, Study, now

JSON = {"accept": "application/dicom+json"}
XML = {"accept": 'multipart/related; type="application/dicom+xml"'}
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def below(front, rest: str = "/studies?limit=101", root: str = "") -> str:
    return f"/dicom-web{root}{rest}"


def uids(answer) -> list[str]:
    return [one["0020000D"]["Value"][0] for one in answer.json()]


def queries(front) -> list[str]:
    study = front.study_uid
    return [
        "/studies?limit=101&offset=0&fuzzymatching=false&includefield=00081030,00080060",
        "/studies",
        "/studies?limit=0",
        f"/studies?StudyInstanceUID={study}",
        f"/studies?StudyInstanceUID={study},1.2.3&includefield=all",
        "/studies?PatientName=nobody*&fuzzymatching=true",
        "/studies?PatientAge=3&PatientID=*",
        "/studies?PatientName=M%C3%BCller%5E%2A",
        "/series?limit=1",
        "/instances?limit=1",
        f"/studies/{study}/series?includefield=0008103E",
        f"/studies/{study}/instances?limit=1",
        f"/studies/{study}/series/{front.series_uid}/instances",
        "/studies/1.2.3/series",
        "/studies?accept=application/json",
    ]


@sqlite
@pytest.mark.parametrize("by", ["token", "cookie"])
def test_a_search_is_answered_like_by_the_routes(front) -> None:
    for root in ("", f"/cases/{front.case_id}"):
        for query in queries(front):
            path = below(front, query, root)
            for how in (JSON, XML, {}):
                expected = front.routes(path, how)
                for _ in range(2):  # new, and again
                    answer = front.settle(path, how)
                    assert (answer.status, answer.headers, answer.body) == (200, expected.headers, expected.body), path
                seen = how | {"if-none-match": expected.headers["etag"]}
                expected, answer = front.routes(path, seen), front.settle(path, seen)
                assert expected.status == 304
                assert (answer.status, answer.headers, answer.body) == (304, expected.headers, b"")


@sqlite
def test_what_is_refused_or_odd_is_for_the_routes(front) -> None:
    front.settle(below(front), JSON)
    odd = {
        f"/studies/{front.study_uid}/instances?includefield=ImageType": 200,  # it may have to wait for the archive
        "/studies?limit=x": 400,
        "/studies?nonsense=1": 400,
        "/studies?PatientName=%FF": 200,
        "/studies?PatientName=%00": 400,
        f"/studies?PatientID={'1' * 5000}": 200,
        "/studies/01.2/series": 400,
        "/studies/": 404,
        "/Studies": 404,
        "/patients": 404,
    }
    for path, status in odd.items():
        answer = front.ask(below(front, path), JSON)
        assert (answer.quick, answer.status) == (False, status), path
    assert front.ask(below(front), {"accept": "text/html"}).status == 406
    for root in (f"/cases/{front.case_id + 1}", f"/cases/0{front.case_id}", "/cases/0"):
        answer = front.ask(below(front, root=root), JSON)
        assert (answer.quick, answer.status) == (False, 404), root


@pytest.mark.parametrize("change", ["sign_out", "end_everywhere", "close_account", "give_away", "unbind"])
def test_a_right_that_was_taken_away_shows_in_the_next_search(front, change, taken_away) -> None:
    for path in (below(front), below(front, f"/studies/{front.study_uid}/series")):
        assert front.study_uid in front.settle(path, JSON).body.decode()
    taken_away[change](front)
    for path in (below(front), below(front, f"/studies/{front.study_uid}/series")):
        answer = front.ask(path, JSON)
        assert front.study_uid not in answer.body.decode()
        assert answer.status == (200 if change in {"give_away", "unbind"} else 401)


def test_what_came_in_is_in_the_next_search(front) -> None:
    path = below(front)
    assert len(front.settle(path, JSON).json()) == 1
    late = front.web.world.make(StudyInstanceUID=generate_uid(), PatientID="LATE")
    front.web.world.held_case(front.reader, front.web.people.site(), late)
    again = front.ask(path, JSON)
    assert len(again.json()) == 2
    with front.web.world.database.writing() as session:
        session.execute(update(Study).values(description="said later", version=Study.version + 1))
    asked = below(front, "/studies?includefield=00081030")
    assert {one["00081030"]["Value"][0] for one in front.settle(asked, JSON).json()} == {"said later"}


@sqlite
def test_an_answer_is_nobody_elses(front, people) -> None:
    path = below(front)
    front.settle(path, JSON)
    other = {"authorization": f"Bearer {front.web.token(people.reader('thoracic'))}"}
    for _ in range(3):
        assert front.ask(path, JSON, other).json() == []
        assert front.ask(path, JSON, {}).status == 401
        assert uids(front.ask(path, JSON)) == [front.study_uid]


@sqlite
def test_an_answer_says_the_address_under_which_its_reader_came(front) -> None:
    path = below(front)
    for host in ("127.0.0.1:8080", "localhost:8080", "evil.example"):
        expected = "localhost:8080" if host.startswith("localhost") else "127.0.0.1:8080"
        for _ in range(2):
            (study,) = front.ask(path, JSON, front.who | {"host": host}).json()
            assert study["00081190"]["Value"][0].split("/")[2] == expected


@sqlite
def test_every_quick_search_is_written_down(front) -> None:
    for root, case_id in (("", None), (f"/cases/{front.case_id}", front.case_id)):
        path = below(front, f"/studies/{front.study_uid}/series", root)
        front.settle(path, JSON)
        log = front.web.app.extensions["overread-access-log"]
        log.write()
        for _ in range(3):
            front.settle(path, JSON)
        ((access, fresh),) = ((access, line.fresh) for access, line in log._lines.items() if line.fresh)
        assert (access.action, access.study_uid, access.case_id) == ("search_series", front.study_uid, case_id)
        assert (access.person_id, access.status, access.address) == (front.reader.person_id, 200, "127.0.0.1")
        assert fresh >= 6


@sqlite
def test_a_token_that_expires_by_itself_finds_nothing_a_moment_later(front, wait_for) -> None:
    """An answer holds no longer than who asked is known, however often it is asked for and whatever else is."""
    front.settle(below(front), JSON)
    with front.web.world.database.writing() as session:
        session.execute(update(ApiToken).values(expires_at=now()))
    numbers = iter(range(1, 1_000_000))
    wait_for(lambda: front.ask(below(front, f"/studies?offset={next(numbers)}"), JSON).status == 401, 10)
    assert front.ask(below(front), JSON).status == 401


@sqlite
def test_answers_in_memory_are_bounded(front, monkeypatch) -> None:
    monkeypatch.setattr(quick_searches, "MOST_BYTES", 20_000)
    front.settle(below(front), JSON)
    searches = quick_searches.QuickSearches(front.bridge.quickly.searches._services)
    found = [searches.find(front.asked(below(front, f"/studies?limit={number}"), JSON)) for number in range(1, 51)]
    assert len([one for one in found if one]) > 20
    assert 0 < searches._answers._weight <= 20_000
    assert len(searches._answers._kept) < 10


@sqlite
def test_fields_that_no_result_has_are_not_remembered(front) -> None:
    """Each combination of them was a form of its own: a hundred addresses of 60 kB kept 100 MB of memory."""
    written = front.web.app.extensions["overread-images"].written
    for path, forms in (("/studies", 1), (f"/studies/{front.study_uid}/series", 2)):
        for group in range(9, 19, 2):
            odd = ",".join(f"{group:04X}{number:04X}" for number in range(0x1000, 0x2000))
            answer = front.ask(below(front, f"{path}?includefield=StudyDescription,{odd}"), JSON)
            assert (answer.status, len(answer.json())) == (200, 1)
        assert len(written._new) == forms
    assert all(len(form.include) <= 1 and not form.beyond for form in written._new)
