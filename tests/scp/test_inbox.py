"""What was acknowledged is there, whole, until it is done with."""

import errno
import fcntl
import hashlib
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pydicom
import pytest

from scp.arrival import Arrival, Refusal
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
    assert backlog.bytes == sum(path.stat().st_size for path in files_below(tmp_path / "inbox" / "new"))
    assert before - timedelta(seconds=1) < backlog.oldest_at < datetime.now(UTC) + timedelta(seconds=1)


def test_names_hold_nothing_of_what_a_peer_sent(inbox, tmp_path):
    inbox.put(replace(ARRIVAL, sop_uid="9.8.7", sender="EVIL"), b"data")
    assert all(part not in str(path) for path in files_below(tmp_path) for part in ("9.8.7", "EVIL"))


def test_a_nearly_full_disk_takes_nothing_more_and_nothing_is_left(tmp_path):
    inbox = Inbox(tmp_path / "inbox", keep_free=1 << 60)
    with pytest.raises(OSError, match="almost full") as caught:
        inbox.put(ARRIVAL, b"data")
    assert caught.value.errno == errno.ENOSPC
    assert files_below(tmp_path) == []


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
    assert len(files_below(tmp_path)) == 1


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
    assert Inbox.read_aside(path).arrival == ARRIVAL
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
