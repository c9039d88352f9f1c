"""Somebody's hands in the inbox: what was touched is found and shown to the coordinator, and stops nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.grace import Grace
from gateway.troubles import note_refusals, unusable_entries
from scp.arrival import Arrival, Refusal
from scp.inbox import Damaged, Inbox
from scp.part10 import file_head
from worklist.states import TroubleKind

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CHUNK, HEAD = (128 << 10) + 16, 4096
LARGE = {"PixelData": random.Random(1).randbytes(400_000)}


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def reorder(file: Path) -> None:
    content = file.read_bytes()
    first, second = content[HEAD : HEAD + CHUNK], content[HEAD + CHUNK : HEAD + 2 * CHUNK]
    file.write_bytes(content[:HEAD] + second + first + content[HEAD + 2 * CHUNK :])


def leave_out(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:HEAD] + content[HEAD + CHUNK :])


def becomes_a_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/passwd")


TOUCHED: dict[str, Callable[[Path], object]] = {
    "cut within the head": lambda file: os.truncate(file, 700),
    "cut within the data": lambda file: os.truncate(file, HEAD + 1000),
    "cut by one byte": lambda file: os.truncate(file, file.stat().st_size - 1),
    "emptied": lambda file: os.truncate(file, 0),
    "appended to": lambda file: file.write_bytes(file.read_bytes() + b"\0"),
    "a bit of the note": lambda file: flip(file, 1100),
    "a bit of the data": lambda file: flip(file, HEAD + 77),
    "the last bit": lambda file: flip(file, -1),
    "chunks in another order": reorder,
    "without a chunk": leave_out,
    "another file": lambda file: file.write_bytes(random.Random(2).randbytes(50_000)),
    "a link elsewhere": becomes_a_link,
}


def shown(world) -> set[str]:
    """The keys of what the coordinator is shown."""
    unusable_entries(world.inbox, world.database)()
    return {trouble.key for trouble in world.troubles()}


@pytest.mark.parametrize("worker", ["has seen the names", "is started afterwards"])
def test_whatever_is_done_to_waiting_files_is_found_and_the_others_go_on(world, make, worker: str) -> None:
    touched = {}
    for what, touch in TOUCHED.items():
        touched[what] = world.receive(make(**LARGE)).key, touch
        world.receive(make())
    if worker == "has seen the names":
        assert len(world.inbox.waiting(100)) == 2 * len(TOUCHED)
    for key, touch in touched.values():
        touch(world.folders.inbox / "new" / key)
    world.carry()
    assert shown(world) == {key for key, _ in touched.values()}
    assert len(world.instances()) == len(TOUCHED)
    assert world.waiting() == 0


def test_files_that_change_names_never_pass_for_each_other(world, make) -> None:
    one, other = (world.folders.inbox / "new" / world.receive(make(**LARGE)).key for _ in range(2))
    world.receive(make())
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    world.carry()
    assert shown(world) == {one.name, other.name}
    assert len(world.instances()) == 1


def test_what_is_no_entry_is_left_alone(world, make) -> None:
    new = world.folders.inbox / "new"
    (new / "README").write_text("mine")
    (new / "folder").mkdir()
    world.receive(make())
    world.carry()
    assert (len(world.instances()), shown(world)) == (1, set())
    assert (new / "README").read_text() == "mine"


def test_a_copy_of_an_entry_under_a_name_of_its_own_is_found(world, make) -> None:
    entry = world.receive(make())
    new = world.folders.inbox / "new"
    copy = entry.key[:-16] + "0" * 16
    (new / copy).write_bytes((new / entry.key).read_bytes())
    world.carry()
    assert shown(world) == {copy}
    assert len(world.instances()) == 1


def test_a_held_file_that_was_touched_ends_nothing(world, make) -> None:
    """The archive has it, and its row says what it is: the next worker needs the file no more."""
    touched, _ = world.receive(make()), world.receive(make())
    world.carry()
    flip(world.folders.inbox / "held" / touched.key, -1)
    Grace(Inbox(world.folders.inbox), world.archive, world.database, world.ingest.pool, 0).step()
    world.carry()
    assert shown(world) == set()
    assert len(world.instances()) == 2
    assert world.inbox.held(9, timedelta(0)) == []


def in_clear(arrival: Arrival, dataset: bytes) -> bytes:
    """What was an entry before entries were sealed: it needs no key, so that whoever writes to the disk can make it."""
    note = json.dumps(arrival.fields()).encode()
    head = file_head(arrival.sop_class_uid, arrival.sop_uid, arrival.transfer_syntax)
    proofs = hashlib.sha256(dataset).digest(), zlib.crc32(note + head)
    return (
        struct.pack("<8sLLQ32sL", b"OVRIN\0\0\1", len(note), len(head), len(dataset), *proofs) + note + head + dataset
    )


def test_what_nobody_sealed_is_never_an_image(world, make) -> None:
    """It was taken under any name, and in the place of an image that had been answered with Success."""
    replaced, held, aside, whole = (world.receive(make()) for _ in range(4))
    new = world.folders.inbox / "new"
    plain = in_clear(replaced.arrival, world.inbox.read(replaced).part10[-500:])
    world.inbox.archived(held)
    path = world.inbox.set_aside(aside, world.folders.quarantine)
    made_up = new / f"{replaced.key[:-16]}{'0' * 16}"
    for place in (made_up, new / replaced.key, world.folders.inbox / "held" / held.key, path):
        place.write_bytes(plain)
    world.inbox = world.ingest.inbox = Inbox(world.folders.inbox)
    assert world.inbox.held(9, timedelta(0)) == []
    with pytest.raises(Damaged):
        world.inbox.read_aside(path)
    world.inbox.put_back(path)
    world.carry()
    assert shown(world) == {made_up.name, replaced.key, held.key, aside.key}
    assert [one.sop_uid for one in world.instances()] == [whole.arrival.sop_uid]


def test_a_remark_that_nobody_sealed_is_told_to_the_coordinator_and_to_no_case(world, make) -> None:
    arrival = world.receive(make()).arrival
    remark = Refusal("site:1", "HOSPITAL", "555", 0xC010, arrival.sop_class_uid, arrival.sop_uid, arrival.study_uid,
                     arrival.received_at)  # fmt: skip
    fields = asdict(remark) | {"received_at": remark.received_at.isoformat()}
    (world.folders.inbox / "refused" / "0123").write_text(json.dumps(fields))
    assert not note_refusals(world.inbox, world.database)
    assert shown(world) == {"0123"}
    (told,) = world.troubles()
    assert (told.kind, told.origin, "555" in told.reason) == (TroubleKind.DAMAGED, "", False)
