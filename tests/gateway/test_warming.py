"""Who opens a study first after a start finds everything made, and nobody gains a right by the rehearsal."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine.interfaces import CacheStats

from gateway.baking import baking_of
from gateway.warming import warm_up
from worklist.access import Viewer
from worklist.models import Base

JSON = {"Accept": "application/dicom+json", "Accept-Encoding": "gzip"}
FRAME = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}


ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def reader(web: Any, people: Any) -> Viewer:
    """Who holds a case of one image, after a start."""
    reader = people.reader("neuroradiology", "thoracic")
    web.world.held_case(reader, people.site(), web.world.make(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1"))
    baking_of(web.parts).step()
    web.parts.cache.close()
    warm_up(web.app.extensions["overread-images"], web.app.extensions["overread-sessions"])
    return reader


def opening(web: Any) -> list[tuple[str, dict[str, str]]]:
    """What OHIF asks for, below both roots."""
    (image,), series = web.world.instances(), "/studies/1.2.3/series/1.2.3.1"
    asked = {
        "/studies?StudyInstanceUID=1.2.3": JSON,
        "/studies/1.2.3/series": JSON,
        f"{series}/metadata": JSON,
        f"{series}/instances/{image.sop_uid}/frames/1": FRAME,
    }
    return [(f"/dicom-web{root}{path}", how) for root in ("/cases/1", "") for path, how in asked.items()]


ABOUT_PEOPLE = ("FROM person", "api_token", "access_line")
"""Who it is; and who looked, which the access log writes a second later, while a busy machine still asks."""


def test_who_opens_a_study_first_compiles_no_statement_about_images(web, reader) -> None:
    """It took 90 ms of CPU after each start for the search alone, and again for the series and for their metadata."""
    compiled: list[str] = []

    def note(*told: Any) -> None:
        if told[4].cache_hit is CacheStats.CACHE_MISS and not any(one in told[2] for one in ABOUT_PEOPLE):
            compiled.append(told[2])

    event.listen(web.parts.database.engine, "after_cursor_execute", note)
    for path, how in opening(web):
        assert web.ask(reader, "GET", path, headers=how).status_code == 200
    assert compiled == []


@ONE_ENGINE
def test_what_is_due_first_is_in_memory(web, reader) -> None:
    (image,) = web.world.instances()
    assert web.parts.cache.at_hand(image.sha256) is not None


def test_nobody_is_let_in_by_the_rehearsal_and_nobody_is_said_to_have_looked(web, reader) -> None:
    quickly = web.app.extensions["overread-quickly"]
    for path, how in opening(web):
        plain, _, query = path.partition("?")
        for host in ("localhost", "127.0.0.1:8080"):
            said = [(b"host", host.encode()), *((name.lower().encode(), value.encode()) for name, value in how.items())]
            scope = {"method": "GET", "raw_path": plain.encode(), "query_string": query.encode(), "headers": said}
            assert quickly.at_hand(scope) is None
            assert quickly.find(scope) is None
        assert web.ask(None, "GET", path, headers=how).status_code == 401
    assert {line.person_id for line in web.app.extensions["overread-access-log"]._lines} == {None}


@ONE_ENGINE
def test_a_start_needs_no_tables(web, reader) -> None:
    images = web.app.extensions["overread-images"]
    Base.metadata.drop_all(web.parts.database.engine)
    warm_up(images, web.app.extensions["overread-sessions"])
