"""Somebody's hands in the inbox: what was touched is found and shown to the coordinator, and stops nothing else."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.grace import Grace
from gateway.troubles import unusable_entries
from scp.inbox import Inbox

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
    """The archive has it; the next worker cannot say so from the file, and shows that."""
    touched, whole = world.receive(make()), world.receive(make())
    world.carry()
    flip(world.folders.inbox / "held" / touched.key, -1)
    Grace(Inbox(world.folders.inbox), world.archive, world.database, world.ingest.pool, 0).step()
    world.carry()
    assert shown(world) == {touched.key}
    assert len(world.instances()) == 2
    assert [one.key for one in world.inbox.held(9, timedelta(0))] in ([], [whole.key])
