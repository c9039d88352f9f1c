"""Frames and metadata that need no application: the same answers as the routes give, and not one request too late."""

from __future__ import annotations

import gzip
import os
from datetime import timedelta

import orjson
import pytest
from sqlalchemy import delete, update

from worklist.models import ApiToken, Instance, Series, Study, now

OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
FRAME = {"accept": OHIF}
METADATA = {"accept": "application/dicom+json", "accept-encoding": "gzip"}
EITHER = {"accept": "*/*", "accept-encoding": "gzip"}


def assert_alike(front, path: str, how: dict[str, str], *, quick: bool) -> None:
    """What the server answers at once is what the routes answer; also when it is asked for again."""
    expected = front.routes(path, how)
    answer = front.settle(path, how) if quick else front.ask(path, how)
    assert answer.quick == quick, how
    assert (answer.status, answer.headers, answer.body) == (expected.status, expected.headers, expected.body)
    seen = how | {"if-none-match": expected.headers.get("etag", '"x"')}
    expected, answer = front.routes(path, seen), front.ask(path, seen)
    assert (answer.status, answer.headers, answer.body) == (expected.status, expected.headers, expected.body)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by", ["token", "cookie"])
def test_a_frame_is_answered_like_by_the_routes(front) -> None:
    for number in ("1", "3", "3,1,1"):
        for accept in (OHIF, "*/*", "application/octet-stream", "multipart/related"):
            quick = not ("," in number and accept == "application/octet-stream")
            assert_alike(front, front.frame(number), {"accept": accept}, quick=quick)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by", ["token", "cookie"])
def test_metadata_are_answered_like_by_the_routes(front) -> None:
    path = front.metadata(f"/cases/{front.case_id}")
    for accept in ("application/dicom+json", "*/*", "application/json", "text/html"):
        for encoding in ("gzip", "gzip, deflate, br", "identity", "gzip;q=0"):
            quick = accept != "text/html" and encoding.startswith("gzip") and "q=0" not in encoding
            assert_alike(front, path, {"accept": accept, "accept-encoding": encoding}, quick=quick)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ["metadata", "frame"])
def test_a_working_paper_is_answered_quickly_to_its_reader_until_they_let_the_case_go(front, path) -> None:
    with front.web.database.writing() as session:
        row = session.query(Series).filter_by(series_uid=front.series_uid).one()
        row.ours, row.made_by = True, front.reader.person_id
    assert front.settle(getattr(front, path)(), EITHER).status == 200
    front.web.world.release(front.case_id)
    for _ in range(3):
        answer = front.ask(getattr(front, path)(), EITHER)
        assert (answer.quick, answer.status) == (False, 404)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_pixels_are_those_that_came(front) -> None:
    for number in (1, 2, 3):
        answer = front.settle(front.frame(number), {"accept": "application/octet-stream"})
        assert answer.body == front.pixels[256 * (number - 1) : 256 * number]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_not_plain_is_for_the_routes(front) -> None:
    front.settle(front.frame(), FRAME)
    for odd in ("4", "0", "1,", "1,4", "1?x=1", "1%20", "1/"):
        assert not front.ask(front.frame(odd), FRAME).quick, odd


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["accept", "cookie", "x-anything"])
def test_a_long_head_is_refused_and_nothing_of_it_remembered(front, name) -> None:
    """The server takes a megabyte of it; who asks and what they accept is remembered as it came, by the thousand."""
    for path in (front.frame(), front.metadata(), "/dicom-web/studies"):
        how = {"accept": "*/*", "accept-encoding": "gzip"}
        front.settle(path, how)
        answer = front.ask(path, how | {name: "*/*;a=" + "b" * 40_000})
        assert (answer.quick, answer.status) == (False, 431), path


def remove_instance(front) -> None:
    with front.web.world.database.writing() as session:
        session.execute(delete(Instance))
        session.execute(update(Series).values(version=Series.version + 1))


GONE = {
    "sign_out": 401, "end_everywhere": 401, "close_account": 401, "give_away": 404, "unbind": 404,
    "remove_instance": 404,
}  # fmt: skip


@pytest.mark.parametrize("change", GONE)
def test_a_right_that_was_taken_away_is_gone_with_the_next_request(front, change, taken_away) -> None:
    front.settle(front.frame(), FRAME)
    (taken_away | {"remove_instance": remove_instance})[change](front)
    answer = front.ask(front.frame(), FRAME)
    assert (answer.status, answer.quick) == (GONE[change], False)
    assert front.pixels[:256] not in answer.body


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by", ["cookie"])
@pytest.mark.parametrize("change", ["sign_out", "close_account", "unbind"])
def test_metadata_are_gone_with_the_right_to_them(front, change, taken_away) -> None:
    front.settle(front.metadata(), METADATA)
    taken_away[change](front)
    answer = front.ask(front.metadata(), METADATA)
    assert (answer.status, answer.quick) == (GONE[change], False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_late_instance_is_in_the_next_answer(front) -> None:
    before = front.settle(front.metadata(), METADATA)
    with front.web.world.database.reading() as session:
        study = session.query(Study).one()
    late = front.web.world.make(
        StudyInstanceUID=front.study_uid, SeriesInstanceUID=front.series_uid, PatientID=study.patient_id
    )
    front.web.world.receive(late, study.origin)
    front.web.world.carry()
    after = front.ask(front.metadata(), METADATA)
    assert [len(orjson.loads(gzip.decompress(one.body))) for one in (before, after)] == [1, 2]
    assert before.headers["etag"] != after.headers["etag"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_right_is_nobody_elses_and_of_no_other_case(front, people) -> None:
    front.settle(front.frame(), FRAME)
    other = people.reader("thoracic")
    stranger = front.ask(front.frame(), FRAME, {"authorization": f"Bearer {front.web.token(other)}"})
    assert (stranger.status, stranger.quick) == (404, False)
    nobody = front.ask(front.frame(), FRAME, {})
    assert (nobody.status, nobody.quick) == (401, False)
    front.settle(front.frame(root=f"/cases/{front.case_id}"), FRAME)
    for root in (f"/cases/{front.case_id + 1}", f"/cases/0{front.case_id}", "/cases/0"):
        answer = front.ask(front.frame(root=root), FRAME)
        assert (answer.status, answer.quick) == (404, False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_damage_on_the_disk_is_never_shown(front) -> None:
    path, how = front.frame(2), {"accept": "application/octet-stream"}
    expected = front.settle(path, how).body
    (file,) = (one for one in (front.web.world.folders.cache / "instances").rglob("*") if one.is_file())
    with file.open("r+b") as out:
        out.seek(4096 + 900)
        out.write(bytes(300))
    assert front.waits(path, how)
    assert front.ask(path, how).body == expected
    assert front.settle(path, how).body == expected


def close_files(front) -> None:
    """As after a start: nobody has opened anything yet."""
    front.web.parts.cache.close()


def forget_pages(front) -> None:
    """As after a while: the bytes are on the disk, and not in the page cache any more."""
    for file in (front.web.world.folders.cache / "instances").rglob("*"):
        if file.is_file():
            with file.open("rb") as held:
                os.fsync(held.fileno())
                os.posix_fadvise(held.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("put_away", [close_files, forget_pages])
def test_a_frame_that_lies_on_the_disk_needs_a_thread_and_no_application(front, put_away) -> None:
    expected = front.settle(front.frame(2), FRAME)
    put_away(front)
    assert front.waits(front.frame(2), FRAME)
    answer = front.without_application(front.frame(2), FRAME)
    assert (answer.status, answer.headers, answer.body) == (200, expected.headers, expected.body)
    assert not front.waits(front.frame(2), FRAME)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_quick_look_is_written_down(front) -> None:
    front.settle(front.frame(), FRAME)
    log = front.web.app.extensions["overread-access-log"]
    log.write()
    before = [(access.action, line.begun) for access, line in log._lines.items()]
    front.settle(front.frame(), FRAME)
    noted = {access: line.fresh for access, line in log._lines.items()}
    assert before
    assert [access.action for access, fresh in noted.items() if fresh] == ["retrieve_frames"]
    assert {access.person_id for access in noted} == {front.reader.person_id}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_token_that_expires_by_itself_is_worth_nothing_a_moment_later(front, wait_for) -> None:
    front.settle(front.frame(), FRAME)
    with front.web.world.database.writing() as session:
        session.execute(update(ApiToken).values(expires_at=now() + timedelta(seconds=1)))
    wait_for(lambda: front.ask(front.frame(), FRAME).status == 401, 10)
