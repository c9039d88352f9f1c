"""Images that the archive gives otherwise than it took them: shown to nobody, said to those who can do something."""

from __future__ import annotations

import os

import pytest

from gateway.altered import look_again
from gateway.completeness import Completeness
from gateway.health import Health
from gateway.readying import Readying
from worklist.models import Study, Trouble
from worklist.states import TroubleKind

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def altered(web, people, archive_server, make):
    """An image of a case whose file on the archive's disk was changed in one byte; nobody has it in a cache."""
    part10 = make(PixelData=os.urandom(127) + b"\xff")
    case_id = web.world.held_case(reader := people.reader(), people.site(), part10)
    (file,) = (one for one in archive_server.folder.rglob("*") if one.is_file() and part10[-128:] in one.read_bytes())
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"\0")
    web.world.cache.close()
    for one in web.world.folders.cache.rglob("*"):
        if one.is_file():
            one.unlink()
    (image,) = web.world.instances()
    with web.database.reading() as session:
        study = session.get_one(Study, image.study_id)
        path = f"/dicom-web/cases/{case_id}/studies/{study.study_uid}"
    yield reader, path, lambda: file.write_bytes(whole)
    if file.exists():
        file.write_bytes(whole)


def parts(web) -> dict[str, tuple[bool, str]]:
    health = Health(web.parts.settings, web.database, web.parts.archive, web.parts.inbox, web.parts.sender)
    return {one.part: (one.ok, one.detail) for one in health.checks() if not one.vital}


def test_it_is_a_503_and_an_alarm_until_it_comes_as_it_was(web, people, altered) -> None:
    """It was a 500, and nobody but the log was told."""
    reader, path, mend = altered
    assert parts(web)["archived images"] == (True, "come out as they went in")
    for _ in range(2):
        answer = web.ask(reader, "GET", f"{path}/metadata")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    (noted,) = web.world.troubles()
    assert (noted.kind, noted.origin, noted.sop_uid) == (TroubleKind.ALTERED, "", web.world.instances()[0].sop_uid)
    assert parts(web)["archived images"][0] is False
    page = web.ask(people.coordinator(), "GET", "/oversight").get_data(as_text=True)
    assert "Images that the archive gives otherwise than it took them" in page
    look_again(web.database, web.parts.cache)
    assert parts(web)["archived images"][0] is False
    mend()
    look_again(web.database, web.parts.cache)
    assert parts(web)["archived images"][0] is True
    assert web.ask(reader, "GET", f"{path}/metadata").status_code == 200


def test_what_the_archive_lost_altogether_is_said_in_the_same_way(web, altered) -> None:
    """It was a 500, and no alarm."""
    reader, path, _ = altered
    (image,) = web.world.instances()
    web.world.archive.delete(image.archive_id)
    answer = web.ask(reader, "GET", f"{path}/metadata")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    (noted,) = web.world.troubles()
    assert (noted.kind, noted.sop_uid) == (TroubleKind.ALTERED, image.sop_uid)
    assert parts(web)["archived images"][0] is False


def test_it_stops_no_work_on_other_images(web, altered) -> None:
    Readying(web.database, web.parts.cache, 1 << 30, web.parts.baked).step()
    completeness = Completeness(web.database, web.parts.cache)
    while completeness.step():
        pass
    with web.database.reading() as session:
        assert session.query(Study).one().checked_version == 1
        assert session.query(Trouble).count() == 1


def test_the_sender_is_told_nothing_of_it(web, people, altered) -> None:
    """It is ours to look after; they sent it well."""
    reader, path, _ = altered
    web.ask(reader, "GET", f"{path}/metadata")
    with web.database.reading() as session:
        site_id = int(session.query(Study).one().origin.removeprefix("site:"))
    told = web.ask(people.hospital(site_id), "GET", "/api/v1/arrivals").get_data(as_text=True)
    assert "other bytes" not in told
