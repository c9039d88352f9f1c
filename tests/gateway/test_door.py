"""STOW-RS comes by the same door: screened, then durable in the inbox, for the site of whoever sends."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomweb.keeping import NotKept
from gateway.door import looked_at
from gateway.storing import store_target
from scp.part10 import split_part10
from scp.reasons import Unacceptable
from worklist.access import Sight
from worklist.states import Role

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def opened(tmp_path: Path):
    """`opened(content)`: a file on disk with this content."""
    files = []

    def make(content: bytes):
        path = tmp_path / f"sent{len(files)}"
        path.write_bytes(content)
        files.append(path.open("rb"))
        return files[-1]

    yield make
    for each in files:
        each.close()


def any_study(_origin: str, _study_uid: str) -> bool:
    return True


def test_a_person_of_a_site_sends_for_that_site_bytes_untouched(world, people, make, opened) -> None:
    site, image = people.site(), make()
    keeper = store_target(world.inbox, world.database)(Sight(people.hospital(site)), any_study)
    kept = keeper.keep(opened(image))
    (entry,) = world.inbox.waiting(10)
    assert (entry.arrival.origin, entry.arrival.sop_uid) == (f"site:{site}", kept.sop_uid)
    assert bytes(split_part10(world.inbox.read(entry).part10)[1]) == bytes(split_part10(image)[1])


def test_nobody_else_sends_here(world, people) -> None:
    target = store_target(world.inbox, world.database)
    for who in (people.patient(), people.reader(), people.coordinator(), people.person(Role.SITE)):
        assert target(Sight(who), any_study) is None


def test_what_belongs_to_another_study_than_the_request_names_is_not_kept(world, people, make, opened) -> None:
    site, asked = people.site(), []
    keeper = store_target(world.inbox, world.database)(
        Sight(people.hospital(site)), lambda *instance: asked.append(instance)
    )
    with pytest.raises(NotKept):
        keeper.keep(opened(make(StudyInstanceUID="1.2.3")))
    assert asked == [(f"site:{site}", "1.2.3")]
    assert world.waiting() == 0


@pytest.mark.parametrize("content", [b"", b"no DICOM", bytes(200), bytes(128) + b"DICM"])
def test_what_is_no_dicom_is_not_kept(world, people, opened, content: bytes) -> None:
    keeper = store_target(world.inbox, world.database)(Sight(people.hospital(people.site())), any_study)
    with pytest.raises(NotKept):
        keeper.keep(opened(content))
    assert world.waiting() == 0


def test_a_file_that_is_cut_short_is_not_kept(world, people, make, opened) -> None:
    keeper = store_target(world.inbox, world.database)(Sight(people.hospital(people.site())), any_study)
    with pytest.raises(NotKept):
        keeper.keep(opened(make()[:-50]))
    assert world.waiting() == 0


def test_a_file_object_of_any_kind_is_read_from_its_beginning(world, people, make, opened) -> None:
    keeper = store_target(world.inbox, world.database)(Sight(people.hospital(people.site())), any_study)
    file = opened(make())
    file.seek(100)
    assert keeper.keep(file)


def test_what_the_archive_could_not_give_back_is_refused_at_this_door_too(world, people, make, opened) -> None:
    keeper = store_target(world.inbox, world.database)(Sight(people.hospital(people.site())), any_study)
    world.inbox.largest = 100
    with pytest.raises(NotKept) as refused:
        keeper.keep(opened(make()))
    assert refused.value.reason == 0xC016
    with pytest.raises(Unacceptable):
        looked_at(opened(make()), world.inbox.largest)
    assert world.waiting() == 0
    world.inbox.largest = 100_000
    keeper.keep(opened(make()))
    assert world.waiting() == 1
