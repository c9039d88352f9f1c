"""What was acknowledged is there, whole, until it is done with."""

import errno
import fcntl
import hashlib
import json
import os
import random
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pydicom
import pytest

from config.key_file import file_ring
from config.sealing import Room, Sealer
from scp.arrival import Arrival, Refusal
from scp.entry import subject_of
from scp.inbox import Damaged, Inbox, InboxTaken

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ARRIVAL = Arrival(
    "site:7", "HOSPITAL", "1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.4", "1.2.5", "1.2.840.10008.1.2.1", NOW
)
REFUSAL = Refusal("site:7", "HOSPITAL", "It ends early", 0xC010, ARRIVAL.sop_class_uid, "1.2.3", "", NOW)


@pytest.fixture
def inbox(tmp_path):
    return Inbox(tmp_path / "inbox")


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")


def test_an_object_comes_out_as_it_went_in_with_its_proofs(inbox, made):
    dataset = made.dataset_of(made.object(SOPInstanceUID="1.2.3"))
    entry = inbox.put(ARRIVAL, memoryview(dataset))
    assert inbox.waiting(10) == [entry]
    stored = inbox.read(entry)
    assert stored.arrival == ARRIVAL
    assert stored.part10.endswith(dataset)
    assert stored.sha256 == hashlib.sha256(dataset).hexdigest()
    assert stored.md5 == hashlib.md5(stored.part10).hexdigest()
    assert pydicom.dcmread(BytesIO(stored.part10)).SOPInstanceUID == "1.2.3"


def test_an_entry_whose_note_has_the_digest_of_the_data_set_as_it_once_had_is_read(inbox, tmp_path):
    ring, key = file_ring(tmp_path / "keys.json"), "00000001772366400000-300-00112233aabbccdd"
    with (tmp_path / "inbox" / "new" / key).open("xb") as file:
        sealer = Sealer(file.fileno(), subject_of(key), Room())
        sealer.write(b"\x08\0\x16\0")
        note = {"key": key, "sha256": hashlib.sha256(b"\x08\0\x16\0").hexdigest(), "arrival": ARRIVAL.fields()}
        sealer.finish(json.dumps(note).encode(), ring)
    (entry,) = inbox.waiting(10)
    assert (entry.arrival, inbox.read(entry).sha256) == (ARRIVAL, note["sha256"])


def test_the_same_data_set_gives_the_same_file_whoever_sent_it_and_whenever(inbox):
    one = inbox.put(ARRIVAL, b"\x08\0\x16\0")
    two = inbox.put(replace(ARRIVAL, origin="case:1", sender="upload", received_at=NOW + timedelta(1)), b"\x08\0\x16\0")
    assert inbox.read(one).md5 == inbox.read(two).md5


def test_entries_wait_in_the_order_of_their_arrival_until_they_are_done(inbox):
    entries = [inbox.put(replace(ARRIVAL, sop_uid=f"1.2.{number}"), b"data") for number in range(1, 6)]
    assert inbox.waiting(3) == entries[:3]
    inbox.done(entries[0])
    inbox.done(entries[0])
    assert inbox.waiting(10) == entries[1:]


def test_another_process_sees_what_this_one_has_put(inbox, tmp_path):
    entry = inbox.put(ARRIVAL, b"data")
    assert Inbox(tmp_path / "inbox").waiting(1) == [entry]


def test_the_backlog_tells_number_size_and_age(inbox, tmp_path):
    assert inbox.backlog().oldest_at is None
    before = datetime.now(UTC)
    for _ in range(3):
        inbox.put(ARRIVAL, bytes(1000))
    backlog = inbox.backlog()
    assert backlog.count == 3
    assert backlog.bytes == sum(len(inbox.read(entry).part10) for entry in inbox.waiting(3))
    assert before - timedelta(seconds=1) < backlog.oldest_at < datetime.now(UTC) + timedelta(seconds=1)


def test_names_hold_nothing_of_what_a_peer_sent(inbox, tmp_path):
    inbox.put(replace(ARRIVAL, sop_uid="9.8.7", sender="EVIL"), b"data")
    assert all(part not in str(path) for path in files_below(tmp_path) for part in ("9.8.7", "EVIL"))


def test_a_nearly_full_disk_takes_nothing_more_and_nothing_is_left(tmp_path):
    inbox = Inbox(tmp_path / "inbox", keep_free=1 << 60)
    with pytest.raises(OSError, match="almost full") as caught:
        inbox.put(ARRIVAL, b"data")
    assert caught.value.errno == errno.ENOSPC
    assert files_below(tmp_path / "inbox") == []


def test_a_write_that_fails_leaves_nothing_and_the_next_one_succeeds(tmp_path):
    program = f"""
import resource
from datetime import UTC, datetime
from pathlib import Path
from scp.arrival import Arrival
from scp.inbox import Inbox
inbox = Inbox(Path({str(tmp_path / "inbox")!r}))
arrival = Arrival("site:7", "H", "1.2", "1.2.3", "1.2.4", "1.2.5", "1.2.840.10008.1.2.1", datetime.now(UTC))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    inbox.put(arrival, bytes(200_000))
except OSError:
    assert not list((inbox._tmp).iterdir()) and not inbox.waiting(1)
    inbox.put(arrival, bytes(50_000))
    print("kept the second")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "kept the second\n", done.stderr
    assert len(files_below(tmp_path / "inbox")) == 1


def test_a_changed_or_shortened_object_is_never_read(inbox, tmp_path):
    for spoil in (lambda data: data[:-1], lambda data: data + b"x", lambda data: data[:-1] + b"x"):
        entry = inbox.put(ARRIVAL, bytes(5000))
        path = tmp_path / "inbox" / "new" / entry.key
        path.write_bytes(spoil(path.read_bytes()))
        with pytest.raises(Damaged):
            inbox.read(entry)


@pytest.mark.parametrize("size", [0, 3, 30, 200])
def test_an_entry_with_a_damaged_head_is_put_away_and_the_others_go_on(inbox, tmp_path, size):
    spoiled, good = inbox.put(ARRIVAL, b"one"), inbox.put(ARRIVAL, b"two")
    path = tmp_path / "inbox" / "new" / spoiled.key
    path.write_bytes(path.read_bytes()[:size])
    fresh = Inbox(tmp_path / "inbox")
    assert fresh.waiting(10) == [good]
    assert [one.name for one in fresh.damaged()] == [spoiled.key]


def test_what_was_set_aside_can_be_read_and_put_back(inbox, tmp_path):
    quarantine = tmp_path / "quarantine"
    quarantine.mkdir()
    entry = inbox.put(ARRIVAL, b"data")
    path = inbox.set_aside(entry, quarantine)
    assert inbox.waiting(1) == []
    assert inbox.read_aside(path).arrival == ARRIVAL
    inbox.put_back(path)
    assert inbox.waiting(1) == [entry]


def test_only_one_worker_empties_an_inbox_and_its_death_frees_it(inbox, tmp_path):
    program = f"""
from pathlib import Path
from scp.inbox import Inbox
with Inbox(Path({str(tmp_path / "inbox")!r})).lock():
    print("mine", flush=True)
    import time; time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(InboxTaken), inbox.lock():
            pass
        other.kill()
    with inbox.lock():
        pass
    with inbox.lock():
        pass


def test_sweeping_removes_the_remains_of_the_dead_and_spares_the_living(inbox, tmp_path):
    dead, living = (tmp_path / "inbox" / "tmp" / name for name in ("dead", "living"))
    dead.write_bytes(b"half an obj")
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert inbox.sweep() == 1
    assert not dead.exists()
    assert living.exists()


def test_refusals_are_noted_once_for_each_object_and_reason(inbox):
    for _ in range(3):
        inbox.refuse(REFUSAL)
    inbox.refuse(replace(REFUSAL, sop_uid="1.2.9", received_at=NOW - timedelta(hours=1)))
    (_, first), (key, second) = inbox.refusals(10)
    assert first.sop_uid == "1.2.9"
    assert second == REFUSAL
    inbox.forget_refusal(key)
    inbox.forget_refusal(key)
    assert [note.sop_uid for _, note in inbox.refusals(10)] == ["1.2.9"]


def test_an_object_that_comes_in_pieces_is_the_same_object(inbox):
    dataset = random.Random(1).randbytes(700_001)
    with inbox.begin() as writing:
        for at in range(0, len(dataset), 131_060):
            writing.write(memoryview(dataset)[at : at + 131_060])
        assert writing.size == len(dataset)
        entry = writing.keep(ARRIVAL)
    assert inbox.waiting(2) == [entry]
    whole = inbox.read(inbox.put(ARRIVAL, dataset))
    stored = inbox.read(entry)
    assert (stored.part10, stored.sha256, stored.md5) == (whole.part10, whole.sha256, whole.md5)
    assert entry.size == stored.size == len(stored.part10)


def test_an_object_that_is_not_kept_leaves_nothing(inbox, tmp_path):
    with inbox.begin() as writing:
        writing.write(bytes(3 << 20))
        assert len(files_below(tmp_path / "inbox")) == 1
    writing.drop()
    assert files_below(tmp_path / "inbox") == []
    with pytest.raises(ValueError, match="kept or dropped"):
        writing.write(b"more")


def test_nothing_that_a_peer_sent_lies_readable_on_the_disk(inbox, tmp_path):
    inbox.put(replace(ARRIVAL, sender="SECRETSENDER"), b"Synthetic^Person" * 50_000)
    raw = b"".join(path.read_bytes() for path in files_below(tmp_path / "inbox"))
    assert len(raw) > 800_000
    for text in (b"Synthetic", b"SECRETSENDER", ARRIVAL.sop_uid.encode() + b'"', ARRIVAL.study_uid.encode() + b'"'):
        assert text not in raw


def test_an_object_of_any_size_passes_in_memory_that_does_not_grow(tmp_path):
    program = f"""
import resource
from datetime import UTC, datetime
from pathlib import Path
from scp.arrival import Arrival
from scp.inbox import Inbox
inbox = Inbox(Path({str(tmp_path / "inbox")!r}))
arrival = Arrival("site:7", "H", "1.2", "1.2.3", "1.2.4", "1.2.5", "1.2.840.10008.1.2.1", datetime.now(UTC))
piece = bytes(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with inbox.begin() as writing:
    for _ in range(200):
        writing.write(piece)
    entry = writing.keep(arrival)
stored = inbox.read(entry)
assert sum(map(len, stored.pieces())) == stored.size == entry.size
assert len(stored.start(1000)) < 1 << 20
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "kilobytes"
print("flat")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "flat\n", done.stderr


def test_an_entry_under_anothers_name_is_damaged(inbox, tmp_path):
    """Whoever renames files would otherwise let one patient's image pass for another's, or change their order."""
    one, two = inbox.put(ARRIVAL, b"one"), inbox.put(ARRIVAL, b"two")
    new = tmp_path / "inbox" / "new"
    later = f"{'9' * 20}{one.key[20:]}"
    for name in (two.key, later):
        (new / name).write_bytes((new / one.key).read_bytes())
    fresh = Inbox(tmp_path / "inbox")
    assert fresh.waiting(9) == [one]
    assert [path.name for path in fresh.damaged()] == [two.key, later]


def test_a_note_of_a_refusal_is_sealed(inbox, tmp_path):
    inbox.refuse(REFUSAL)
    (note,) = (tmp_path / "inbox" / "refused").iterdir()
    assert b"HOSPITAL" not in note.read_bytes()
    assert b"1.2.3" not in note.read_bytes()


def test_a_damaged_note_is_put_away_once_and_the_others_are_read(inbox, tmp_path):
    """It stayed where it was, and was logged with a traceback twice a second; what lay in clear was believed."""
    inbox.refuse(REFUSAL)
    (note,) = (tmp_path / "inbox" / "refused").iterdir()
    plain = asdict(REFUSAL) | {"received_at": NOW.isoformat(), "reason": "not ours"}
    (note.parent / "0123").write_text(json.dumps(plain))
    (note.parent / "4567").write_bytes(note.read_bytes())
    (note.parent / "89ab").write_bytes(b"")
    for _ in range(2):
        assert inbox.refusals(9) == [(note.name, REFUSAL)]
    assert list(note.parent.iterdir()) == [note]
    assert [path.name for path in inbox.damaged()] == ["0123", "4567", "89ab"]


# what was archived


def test_what_the_archive_has_is_held_and_waits_no_more(inbox):
    first, second = (inbox.put(ARRIVAL, data) for data in (b"one", b"two"))
    inbox.archived(first)
    inbox.archived(first)
    assert (inbox.waiting(9), inbox.backlog().count) == ([second], 1)
    assert inbox.held(9, timedelta(0)) == [first]
    assert inbox.held(9, timedelta(minutes=1)) == []
    assert inbox.read(first).part10.endswith(b"one")
    inbox.done(first)
    inbox.done(first)
    assert inbox.held(9, timedelta(0)) == []
    inbox.archived(first)


def test_what_is_held_counts_from_when_it_was_archived_and_comes_oldest_first(inbox, tmp_path):
    entries = [inbox.put(ARRIVAL, b"data") for _ in range(4)]
    long_ago = (NOW - timedelta(days=200)).timestamp()
    for entry in reversed(entries):
        os.utime(tmp_path / "inbox" / "new" / entry.key, (long_ago, long_ago))  # it waited that long
        inbox.archived(entry)
    assert inbox.held(9, timedelta(hours=1)) == []
    for entry in entries[1:3]:
        os.utime(tmp_path / "inbox" / "held" / entry.key, (long_ago, long_ago))
    assert inbox.held(9, timedelta(hours=1)) == entries[1:3]
    assert inbox.held(1, timedelta(hours=1)) == entries[1:2]
    assert Inbox(tmp_path / "inbox").held(9, timedelta(0)) == entries


def test_what_is_held_can_wait_again_in_its_old_place_or_be_set_aside(inbox, tmp_path):
    first, second = (inbox.put(ARRIVAL, data) for data in (b"one", b"two"))
    inbox.archived(first)
    inbox.put_back(first)
    assert inbox.waiting(9) == [first, second]
    inbox.archived(first)
    (tmp_path / "quarantine").mkdir()
    path = inbox.set_aside(first, tmp_path / "quarantine")
    assert inbox.read_aside(path).part10.endswith(b"one")
    assert inbox.held(9, timedelta(0)) == []
