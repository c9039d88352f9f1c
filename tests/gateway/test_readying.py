"""The images of cases that are to be read stay in the read cache, whatever else comes in, and come back to it."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import pytest

from config.key_file import file_ring_made
from dicomweb.baked import Baked
from dicomweb.ready import ReadyMetadata
from gateway.readying import SHARE, Readying
from orthanc.errors import ArchiveUnavailable
from worklist.models import Case, Study
from worklist.states import CaseState

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def case(fragile_world, people):
    """A claimed case of one image, in a world whose archive may be killed; its cached file."""
    fragile_world.held_case(people.reader(), people.site())
    (row,) = fragile_world.instances()
    return fragile_world, row, fragile_world.cache.held(row.sha256).path


def readying(world, max_bytes: int = 1 << 30) -> Readying:
    ready = ReadyMetadata(world.database, file_ring_made(world.folders.cache.parent / "keys.json"))
    return Readying(world.database, world.cache, max_bytes, Baked(world.cache, world.database, ready))


def test_what_is_to_be_read_is_never_what_was_used_least_recently(case) -> None:
    world, _, file = case
    os.utime(file, (1000, 1000))
    readying(world).step()
    assert file.stat().st_mtime > time.time() - 600


def test_what_the_cache_lost_is_back_before_the_archive_is_gone(case, own_archive_server) -> None:
    world, row, file = case
    file.unlink()
    world.cache.close()
    readying(world).step()
    own_archive_server.kill()
    assert world.cache.held(row.sha256) is not None


def test_an_archive_that_is_down_is_asked_again(case, own_archive_server, wait_for) -> None:
    world, row, file = case
    file.unlink()
    world.cache.close()
    own_archive_server.kill()
    loop = readying(world)
    with pytest.raises(ArchiveUnavailable):
        loop.step()
    own_archive_server.start()

    def goes_well() -> bool:
        with suppress(ArchiveUnavailable):
            loop.step()
        return world.cache.held(row.sha256) is not None

    wait_for(goes_well, 30)


@pytest.mark.parametrize("why", ["it was read", "there is no room"])
def test_nothing_is_fetched_for_what_was_read_or_beyond_the_cache(case, why: str) -> None:
    world, row, file = case
    file.unlink()
    world.cache.close()
    if why == "it was read":
        with world.database.writing() as session:
            session.query(Case).update({"state": CaseState.DELIVERED})
    readying(world, 1 << 30 if why == "it was read" else row.size).step()
    assert world.cache.held(row.sha256) is None


@pytest.fixture
def prior(case):
    """An older study of the same patient from the same site, which the viewer shows beside that of the case."""
    world, own, _ = case
    with world.database.reading() as session:
        origin = session.query(Study).one().origin
    world.receive(world.make(StudyDate="20240101"), origin)
    world.carry()
    (row,) = [each for each in world.instances() if each.id != own.id]
    return world, row, world.cache.held(row.sha256).path


def test_the_study_beside_that_of_a_case_is_ready_as_well(prior, own_archive_server) -> None:
    """The viewer opened it beside the case, and had it from the archive, or not at all while that was down."""
    world, row, file = prior
    file.unlink()
    world.cache.close()
    readying(world).step()
    own_archive_server.kill()
    assert world.cache.held(row.sha256) is not None
    baked = [each for each in (world.folders.cache / "baked").rglob("*") if each.is_file()]
    assert len(baked) == 1, "and what the viewer asks of it first"


def test_the_study_beside_that_of_a_case_takes_no_room_from_any_cases_own(prior) -> None:
    world, row, file = prior
    file.unlink()
    world.cache.close()
    readying(world, int(row.size * 1.5 / SHARE)).step()
    assert world.cache.held(row.sha256) is None
