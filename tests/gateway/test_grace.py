"""What the archive has is kept until the archive, asked again, still has it: a loss heals without anybody's doing."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from gateway.grace import Grace
from orthanc.errors import ArchiveUnavailable
from scp.inbox import Inbox
from scp.part10 import split_part10

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ALL = timedelta(0)


def dataset_of(part10: bytes) -> bytes:
    return bytes(split_part10(part10)[1])


def held(world) -> int:
    return len(world.inbox.held(100, ALL))


def grace(world, seconds: float) -> Grace:
    """As a worker that has just been started has it: it remembers nothing."""
    return Grace(Inbox(world.folders.inbox), world.archive, world.database, world.ingest.pool, seconds)


def test_what_was_archived_is_held_and_let_go_after_its_time(world, make) -> None:
    for _ in range(3):
        world.receive(make())
    world.carry()
    assert (world.waiting(), held(world)) == (0, 3)
    grace(world, 3600).step()
    assert held(world) == 3
    world.ingest.grace.step()
    assert (world.waiting(), held(world)) == (0, 0)


@pytest.mark.parametrize("worker", ["goes on", "killed in between"])
def test_an_archive_put_back_by_a_power_cut_gets_everything_again(
    fragile_world, own_archive_server, make, tmp_path, worker: str
) -> None:
    """Orthanc's index lost its last seconds in a power cut; files were let go as soon as it had said yes."""
    world, server = fragile_world, own_archive_server
    before = tmp_path / "before"
    server.kill()
    shutil.copytree(server.folder, before)
    server.start()
    images = [make() for _ in range(5)]
    for each in images:
        world.receive(each)
    world.carry()
    patient = grace(world, 3600)
    patient.step()
    server.kill()
    shutil.rmtree(server.folder)
    shutil.copytree(before, server.folder)
    server.start()
    assert world.archive.holdings().instances == 0
    if worker == "killed in between":
        patient = grace(world, 3600)
    patient._look_at = 0.0
    patient.step()
    assert world.waiting() == 5
    world.carry()
    assert sorted(dataset_of(world.archive.fetch(row.archive_id)) for row in world.instances()) == sorted(
        dataset_of(each) for each in images
    )
    assert [study.version for study in world.studies()] == [1] * 5, "asking again is no new image"
    assert (world.waiting(), held(world)) == (0, 5)


@pytest.mark.parametrize("doubted", [False, True])
def test_what_the_archive_cannot_read_holds_up_nothing_else(world, make, monkeypatch, doubted: bool) -> None:
    """An object of 3.9 GiB, of which Orthanc 1.10 told nothing, once kept all behind it in the inbox for ever."""
    for _ in range(3):
        world.receive(make())
    world.carry()
    stuck = world.inbox.held(100, ALL)[0].arrival.sop_uid
    (row,) = (one for one in world.instances() if one.sop_uid == stuck)
    ask = world.archive.md5

    def md5(archive_id: str) -> str:
        if archive_id == row.archive_id:
            raise ArchiveUnavailable("The answer was cut off.")
        return ask(archive_id)

    monkeypatch.setattr(type(world.archive), "md5", lambda _, archive_id: md5(archive_id))
    patient = grace(world, 0) if doubted else world.ingest.grace
    patient.step()
    assert [one.arrival.sop_uid for one in world.inbox.held(100, ALL)] == [stuck]
    assert world.waiting() == 0, "it is not stored again and again either"


def test_what_the_archive_lost_in_its_grace_is_stored_again_and_not_let_go(world, make) -> None:
    image = make()
    world.receive(image)
    world.carry()
    (row,) = world.instances()
    world.archive.delete(row.archive_id)
    world.ingest.grace.step()
    assert world.waiting() == 1
    world.carry()
    assert dataset_of(world.archive.fetch(world.instances()[0].archive_id)) == dataset_of(image)


def empty(archive_server, part10: bytes) -> None:
    """As after a power cut: the index names the file, and there is nothing in it."""
    files = [each for each in archive_server.folder.rglob("*-*") if each.is_file()]
    (found,) = (each for each in files if each.read_bytes() == part10)
    found.write_bytes(b"")


def test_a_file_that_the_archives_disk_lost_in_its_grace_is_stored_again(world, archive_server, make) -> None:
    """Its digest stood in the index, and the inbox let go."""
    image = make()
    world.receive(image)
    world.carry()
    (row,) = world.instances()
    empty(archive_server, world.archive.fetch(row.archive_id))
    world.ingest.grace.step()
    assert world.waiting() == 1
    world.carry()
    assert dataset_of(world.archive.fetch(world.instances()[0].archive_id)) == dataset_of(image)
    assert (world.waiting(), held(world)) == (0, 1)


def test_sending_it_again_heals_what_the_archives_disk_lost_later(world, archive_server, make) -> None:
    image = make()
    world.receive(image)
    world.carry()
    world.ingest.grace.step()
    empty(archive_server, world.archive.fetch(world.instances()[0].archive_id))
    world.receive(image)
    world.carry()
    (row,) = world.instances()
    assert dataset_of(world.archive.fetch(row.archive_id)) == dataset_of(image)


def test_sending_it_again_heals_what_the_archive_lost(world, make) -> None:
    """The row said that the archive had it, and was believed."""
    image = make()
    world.receive(image)
    world.carry()
    world.ingest.grace.step()
    world.archive.delete(world.instances()[0].archive_id)
    world.receive(image)
    world.carry()
    (row,) = world.instances()
    assert dataset_of(world.archive.fetch(row.archive_id)) == dataset_of(image)


def test_a_row_that_points_to_nothing_is_mended(world, make) -> None:
    image = make()
    world.receive(image)
    world.carry()
    with world.database.writing() as session:
        session.merge(world.instances()[0]).archive_id = "-".join(["00000000"] * 5)
    world.receive(image)
    world.carry()
    (row,) = world.instances()
    assert dataset_of(world.archive.fetch(row.archive_id)) == dataset_of(image)


def test_two_origins_with_other_content_under_the_same_uids_both_keep_theirs(world, make) -> None:
    """An upload that came first displaced the hospital's own image, which went to quarantine."""
    uids = {"StudyInstanceUID": "1.2.3.77", "SeriesInstanceUID": "1.2.3.77.1", "SOPInstanceUID": "1.2.3.77.1.1"}
    forged, true = make(**uids, PixelData=b"\1" * 128), make(**uids, PixelData=b"\2" * 128)
    world.receive(forged, "site:1")
    world.receive(true, "site:2")
    world.carry()
    world.ingest.grace.step()
    first, second = world.instances()
    assert world.troubles() == []
    assert sorted(dataset_of(world.archive.fetch(row.archive_id)) for row in (first, second)) == sorted(
        map(dataset_of, (forged, true))
    )
    shutil.rmtree(world.folders.cache)
    world.cache.close()
    for row in (first, second):
        kept = b"".join(world.cache.get(row.sha256, row.archive_id).stream())
        assert dataset_of(kept) == dataset_of(world.archive.fetch(row.archive_id))
    assert (world.waiting(), held(world)) == (0, 0)


@pytest.mark.parametrize("archive", ["has it", "lost it"])
def test_a_held_file_that_nobody_can_read_any_more_is_let_go_if_the_archive_has_what_its_row_says(
    world, make, archive: str
) -> None:
    """Its sender was asked to send again what lay safe in the archive."""
    world.receive(make())
    world.carry()
    (file,) = (world.folders.inbox / "held").iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.write_bytes(content)
    if archive == "lost it":
        world.archive.delete(world.instances()[0].archive_id)
    grace(world, 0).step()
    world.carry()
    assert (world.waiting(), held(world)) == (0, 0)
    assert len(world.troubles()) == (0 if archive == "has it" else 1)
