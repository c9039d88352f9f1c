"""What the viewer asks first of an open case lies in the database: sealed, as it is now, and only while it is open."""

from __future__ import annotations

import gzip
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from config.key_file import file_ring_made, read_keys, with_new_key, write_keys
from config.keys import KeyRing
from dicomweb.baked import Baked
from dicomweb.holdings import HeldSeries
from dicomweb.ready import ReadyMetadata
from gateway.baking import baking_of
from gateway.sealed_rows import rotate_rows, rows_need
from gateway.unlocking import unlock
from orthanc.archive import Archive
from orthanc.cache import ReadCache
from orthanc.shelf import PICTURES
from worklist.models import Case, Instance, Series, SeriesMetadata, Study, now
from worklist.states import CaseState

JSON = {"Accept": "application/dicom+json"}
PATH = "studies/1.2.3/series/{}/metadata"

ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def ready(web: Any, settled: int) -> int:
    """The same, baked; the case's id."""
    baking_of(web.parts).step()
    return settled


def forget_the_cache(web: Any) -> None:
    """Lose the read cache, its memory and its files, and the archive: nobody listens at the discard port."""
    web.parts.cache.close()
    shutil.rmtree(web.world.folders.cache)
    web.parts.cache._archive = Archive("http://127.0.0.1:9", "nobody", "", connections=1, timeout=1.0)


def rows(web: Any) -> dict[int, tuple[int, bytes, bytes]]:
    with web.database.reading() as session:
        return {row.series_id: (row.version, row.slot, row.content) for row in session.query(SeriesMetadata)}


def move(web: Any, state: CaseState) -> None:
    with web.database.writing() as session:
        session.query(Case).update({"state": state})


def test_without_cache_and_archive_the_metadata_of_a_ready_case_are_served_below_both_roots(web, people, ready) -> None:
    boss = people.coordinator()
    before = web.ask(boss, "GET", f"/dicom-web/cases/{ready}/{PATH.format('1.2.3.1')}", headers=JSON)
    forget_the_cache(web)
    for root in (f"/dicom-web/cases/{ready}", "/dicom-web"):
        for series, count in (("1.2.3.1", 2), ("1.2.3.2", 1)):
            said = web.ask(boss, "GET", f"{root}/{PATH.format(series)}", headers=JSON)
            assert said.status_code == 200
            assert len(said.json) == count
            for one in said.json:
                assert f"{root}/studies/1.2.3/series/{series}/instances/" in one["7FE00010"]["BulkDataURI"]
    after = web.ask(boss, "GET", f"/dicom-web/cases/{ready}/{PATH.format('1.2.3.1')}", headers=JSON)
    assert after.json == before.json
    assert after.headers["ETag"] == before.headers["ETag"]


def test_a_late_image_is_in_them(web, people, ready) -> None:
    before = rows(web)
    web.world.receive(web.world.make(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1"), f"site:{site_of(web)}")
    web.world.carry()
    baking_of(web.parts).step()
    changed = [series for series, row in rows(web).items() if row != before[series]]
    assert len(changed) == 1
    forget_the_cache(web)
    said = web.ask(people.coordinator(), "GET", f"/dicom-web/{PATH.format('1.2.3.1')}", headers=JSON)
    assert len(said.json) == 3


def test_what_was_kept_of_an_earlier_state_is_never_served(web, people, ready) -> None:
    """Before the worker has seen that an image came: it is made of the images, or it is 503."""
    web.world.receive(web.world.make(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1"), f"site:{site_of(web)}")
    web.world.carry()
    boss = people.coordinator()
    assert len(web.ask(boss, "GET", f"/dicom-web/{PATH.format('1.2.3.1')}", headers=JSON).json) == 3
    forget_the_cache(web)
    assert web.ask(boss, "GET", f"/dicom-web/{PATH.format('1.2.3.1')}", headers=JSON).status_code == 503
    assert web.ask(boss, "GET", f"/dicom-web/{PATH.format('1.2.3.2')}", headers=JSON).status_code == 200


def test_they_are_gone_with_their_series_and_when_the_case_is_closed(web, ready) -> None:
    with web.database.writing() as session:
        one = session.query(Series).filter_by(series_uid="1.2.3.2").one()
        session.query(Instance).filter_by(series_id=one.id).delete()
        session.query(Series).filter_by(id=one.id).delete()
    assert len(rows(web)) == 1
    move(web, CaseState.SIGNED)
    baking_of(web.parts).step()
    assert len(rows(web)) == 1
    move(web, CaseState.DELIVERED)
    baking_of(web.parts).step()
    assert rows(web) == {}


@ONE_ENGINE
def test_a_case_is_kept_before_one_that_is_due_later(web, people, ready) -> None:
    lacking = web.parts.baked.ready.lacking
    with web.database.writing() as session:
        session.query(SeriesMetadata).delete()
        case = session.query(Case).one()
        case.due_at = now() + timedelta(hours=5)
        urgent = Study(origin="site:1", study_uid="1.2.4", series=[Series(series_uid="1.2.4.1")])
        session.add(Case(state=CaseState.CLAIMED, due_at=now() + timedelta(hours=1), studies=[urgent]))
    assert [one.series_uid for one in lacking(9)] == ["1.2.4.1", "1.2.3.1", "1.2.3.2"]


def test_what_lies_there_says_nothing_without_the_key_and_survives_a_rotation(web, people, ready) -> None:
    boss, ring = people.coordinator(), web.parts.ring
    for _, slot, content in rows(web).values():
        assert b"1.2.3" not in slot + content
        with pytest.raises(gzip.BadGzipFile):
            gzip.decompress(content)
    old = ring.active().id
    write_keys(web.parts.settings.key_file, with_new_key(read_keys(web.parts.settings.key_file)))
    before, fresh = rows(web), unlock(web.parts.settings)
    assert rows_need(web.database) == {old: 2}
    assert (rotate_rows(web.database, fresh), rotate_rows(web.database, fresh)) == (2, 0)
    assert rows_need(web.database) == {fresh.active().id: 2}
    assert {key: row[2] for key, row in rows(web).items()} == {key: row[2] for key, row in before.items()}
    forget_the_cache(web)
    said = web.ask(boss, "GET", f"/dicom-web/{PATH.format('1.2.3.1')}", headers=JSON)
    assert len(said.json) == 2


@ONE_ENGINE
def test_the_content_of_another_series_or_state_is_not_served_for_this_one(web, people, ready) -> None:
    with web.database.writing() as session:
        one, other = session.query(SeriesMetadata).order_by(SeriesMetadata.series_id)
        one.slot, one.content = other.slot, other.content
    forget_the_cache(web)
    boss = people.coordinator()
    assert web.ask(boss, "GET", f"/dicom-web/{PATH.format('1.2.3.1')}", headers=JSON).status_code == 503
    assert web.ask(boss, "GET", f"/dicom-web/{PATH.format('1.2.3.2')}", headers=JSON).status_code == 200


@ONE_ENGINE
def test_a_host_that_has_not_the_key_makes_them_itself(web, people, ready, tmp_path) -> None:
    stranger = unlock_elsewhere(tmp_path / "elsewhere")
    cache = ReadCache(tmp_path / "cache", 1 << 30, web.parts.archive, stranger)
    baked = Baked(cache, web.database, ReadyMetadata(web.database, stranger))
    for series in ready_series(web):
        assert baked.ready.read(series) is None
        assert len(orjson.loads(gzip.decompress(baked.answer(series, "http://here")))) in {1, 2}
    assert rotate_rows(web.database, stranger) == 0
    cache.close()


@ONE_ENGINE
def test_what_was_damaged_is_made_again(web, people, ready) -> None:
    """It was absent for whoever asked, but kept for the worker: with cache and archive gone there was nothing."""
    with web.database.writing() as session:
        for one in session.query(SeriesMetadata):
            one.content = one.content[:-1] + bytes([one.content[-1] ^ 1])
    web.parts.cache.close()
    shutil.rmtree(web.world.folders.cache)
    boss, path = people.coordinator(), f"/dicom-web/{PATH.format('1.2.3.1')}"
    before = web.ask(boss, "GET", path, headers=JSON)
    assert len(before.json) == 2
    assert len(rows(web)) == 1
    baking_of(web.parts).step()
    assert len(rows(web)) == 2
    forget_the_cache(web)
    assert web.ask(boss, "GET", path, headers=JSON).json == before.json


@ONE_ENGINE
def test_what_no_key_opens_any_more_is_made_again(web, people, ready) -> None:
    """`overread keys rotate` leaves it to a worker, which took it for kept."""
    write_keys(web.parts.settings.key_file, with_new_key(read_keys(web.parts.settings.key_file)))
    fresh = unlock(web.parts.settings)
    with web.database.writing() as session:
        for one in session.query(SeriesMetadata):
            one.slot = bytes(len(one.slot))
    baking_of(web.parts).step()
    assert rows_need(web.database) == {fresh.active().id: 2}


@ONE_ENGINE
def test_while_the_keys_cannot_be_read_nothing_is_kept_and_nothing_is_lost(web, ready) -> None:
    web.parts.settings.key_file.write_text("no keys")
    assert [web.parts.baked.ready.read(series) for series in ready_series(web)] == [None, None]
    assert len(rows(web)) == 2


@ONE_ENGINE
def test_one_series_that_cannot_be_made_holds_up_no_other_and_is_not_tried_at_once(web, people, ready) -> None:
    with web.database.writing() as session:
        session.query(SeriesMetadata).delete()
        broken = session.query(Series).filter_by(series_uid="1.2.3.1").one().instances[0]
        broken.sha256, broken.archive_id = "0" * 64, "no-such-instance"
    web.parts.cache.close()
    shutil.rmtree(web.world.folders.cache)
    baking = baking_of(web.parts)
    assert not baking.step()
    assert len(rows(web)) == 1
    assert len(baking._not_before) == 1
    assert not baking.step()


def site_of(web: Any) -> int:
    with web.database.reading() as session:
        return int(session.query(Study).one().origin.removeprefix("site:"))


def ready_series(web: Any) -> list[HeldSeries]:
    with web.database.reading() as session:
        return [HeldSeries(one.series_uid, one.id, one.version) for one in session.query(Series)]


def unlock_elsewhere(folder: Path) -> KeyRing:
    folder.mkdir()
    return file_ring_made(folder / "keys.json")


@ONE_ENGINE
def test_the_thumbnail_of_each_series_is_drawn_before_anybody_asks(web: Any, people: Any, ready: int) -> None:
    kept = web.world.folders.cache / PICTURES

    def drawn() -> set[str]:
        return {file.name for file in kept.rglob("*") if file.is_file()}

    ahead, boss = drawn(), people.coordinator()
    assert len(ahead) == 2
    for path in ("studies/1.2.3/series/1.2.3.1", "studies/1.2.3/series/1.2.3.2", "studies/1.2.3"):
        shown = web.ask(boss, "GET", f"/dicom-web/cases/{ready}/{path}/thumbnail", headers={"Accept": "image/*"})
        assert (shown.status_code, shown.content_type) == (200, "image/jpeg")
    assert drawn() == ahead
