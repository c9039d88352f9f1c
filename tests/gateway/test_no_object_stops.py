"""No object, file or folder that is wrong stops what is right."""

from __future__ import annotations

import json
import shutil

import pytest
from sqlalchemy import String
from sqlalchemy.exc import DataError

from config.keys import Key
from gateway.health import Health
from gateway.identity import self_test_part
from gateway.loops import UNEXPECTED, in_plain_words
from gateway.troubles import unusable_entries
from orthanc.header import LIMITS
from worklist.models import Instance, Pulse, Series, Study

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
POSTGRES = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def test_what_a_header_says_is_never_longer_than_its_column() -> None:
    limited = {
        column.name: column.type.length
        for table in (Study, Series, Instance)
        for column in table.__table__.columns
        if isinstance(column.type, String) and column.type.length
    }
    ours = {"origin", "sender", "sha256", "archive_id", "transfer_syntax"}
    assert {name: limit for name, limit in limited.items() if name not in ours} == LIMITS


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_an_instance_of_more_than_2_gib_has_a_row(world, make) -> None:
    """Its size did not fit PostgreSQL's integer: it was kept aside."""
    world.receive(make())
    world.carry()
    (row,) = world.instances()
    with world.database.writing() as session:
        session.merge(row).size = 3 << 30
    assert world.instances()[0].size == 3 << 30


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_odd_numbers_and_overlong_text_fit_the_columns(world, make) -> None:
    """One SeriesNumber of ten nines stopped the inbox of everybody on PostgreSQL."""
    odd = make(SeriesNumber=1234567890, NumberOfFrames=1234567891, StudyID="x" * 16, Modality="CT")
    odd = odd.replace(b"1234567890", b"9999999999").replace(b"1234567891", b"2147483648")
    world.receive(odd)
    world.receive(make(PatientID="9" * 64, StudyDescription="long " * 12))
    world.carry()
    assert (world.waiting(), world.troubles(), len(world.instances())) == (0, [], 2)
    assert {row.frames for row in world.instances()} == {1}


@POSTGRES
def test_one_whose_row_does_not_fit_is_kept_aside_and_the_others_go_on(world, make) -> None:
    world.receive(make())
    world.receive(make(), sop_class_uid="1." * 40 + "1")
    world.receive(make())
    world.carry()
    (trouble,) = world.troubles()
    assert "do not fit" in trouble.reason
    assert (world.waiting(), len(world.instances())) == (0, 2)


@SQLITE
def test_an_entry_that_the_disk_does_not_give_holds_nobody_up_and_is_shown_until_it_can_be_read(world, make) -> None:
    entry = world.receive(make())
    world.receive(make())
    file = world.folders.inbox / "new" / entry.key
    elsewhere = world.folders.data / "elsewhere"
    file.rename(elsewhere)
    file.mkdir()  # a file that cannot be opened, for root too
    world.inbox._new._known.clear()
    world.carry()
    look = unusable_entries(world.inbox, world.database)
    look()
    (trouble,) = world.troubles()
    assert (trouble.kind, trouble.resolved_at) == ("unreadable", None)
    assert (len(world.instances()), world.waiting()) == (1, 0)
    file.rmdir()
    elsewhere.rename(file)
    world.inbox._unreadable._again_at[entry.key] = 0.0
    world.carry()
    look()
    assert world.troubles()[0].resolved_at is not None
    assert len(world.instances()) == 2


@SQLITE
def test_an_entry_that_no_key_opens_holds_nobody_up_and_says_which_key_is_missing(world, make) -> None:
    """KeyMissing went through the loop: nothing of anybody was carried on."""
    keys = world.folders.data / "keys.json"
    lost = world.receive(make())
    before = keys.read_bytes()
    keys.write_text(json.dumps(fresh_keys()))
    world.receive(make())
    world.inbox._new._known.clear()
    world.carry()
    look = unusable_entries(world.inbox, world.database)
    look()
    assert (len(world.instances()), world.waiting()) == (1, 0)
    (trouble,) = world.troubles()
    assert (trouble.kind, trouble.key) == ("unreadable", lost.key)
    assert "The key" in trouble.reason
    assert "Put it back" in trouble.reason
    keys.write_bytes(before)
    world.inbox._unreadable._again_at[lost.key] = 0.0
    world.carry()
    look()
    assert len(world.instances()) == 2
    assert world.troubles()[0].resolved_at is not None


@SQLITE
def test_without_the_key_file_nothing_is_lost_or_taken_for_gone(world, make) -> None:
    """The missing key file passed for a missing entry, and ingest went round and round."""
    keys = world.folders.data / "keys.json"
    entry = world.receive(make())
    keys.rename(keys.with_suffix(".away"))
    world.carry()
    assert list(world.inbox.unreadable()) == [entry.key]
    keys.with_suffix(".away").rename(keys)
    world.inbox._unreadable._again_at[entry.key] = 0.0
    world.carry()
    assert len(world.instances()) == 1


def fresh_keys() -> dict[str, object]:
    key = Key(bytes(range(32)))
    return {"active": key.id, "keys": [key.written()]}


@SQLITE
def test_a_damaged_head_is_shown_to_the_coordinator(world, make) -> None:
    (world.folders.inbox / "new" / world.receive(make()).key).write_bytes(b"nothing of ours")
    world.inbox._new._known.clear()
    world.carry()
    unusable_entries(world.inbox, world.database)()
    assert [trouble.kind for trouble in world.troubles()] == ["damaged"]


@SQLITE
@pytest.mark.parametrize("how", ["removed", "not a folder any more"])
def test_a_cache_that_is_gone_costs_speed_and_no_image(world, make, how: str) -> None:
    world.receive(make())
    world.carry()
    shutil.rmtree(world.folders.cache)
    if how != "removed":
        world.folders.cache.write_bytes(b"")
    world.receive(make())
    world.carry()
    assert (len(world.instances()), world.waiting()) == (2, 0)
    if how == "removed":
        assert world.cache.held(world.instances()[1].sha256) is not None


@SQLITE
def test_health_says_when_ingest_fails_and_never_how(web) -> None:
    """It said ok, and showed SQL with a patient's name in it."""
    secret = DataError("INSERT INTO study", {"patient_name": "Sample^Pat"}, ValueError("out of range"))
    health = Health(web.parts.settings, web.database, web.parts.archive, web.parts.inbox, web.parts.sender)
    with web.database.writing() as session:
        session.merge(Pulse(part="worker: ingest", ok=False, detail=in_plain_words(secret)))
    said = {check.part: check for check in health.checks()}
    assert (said["ingest"].ok, said["ingest"].vital) == (False, True)
    assert "INSERT" not in said["ingest"].detail
    assert in_plain_words(KeyError("Sample^Pat")) == UNEXPECTED


def test_the_pulse_of_any_self_test_fits_its_column() -> None:
    long = "1." * 31 + "1"
    assert len(self_test_part(long)) <= 64
    assert self_test_part(long + "2") != self_test_part(long + "3")
