"""The disk fails, is full, is read-only, or the power of the process goes at a system call: real ones, by strace.

Whatever happens: what was acknowledged is there, whole; what was not leaves nothing; and the next object is kept.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scp.arrival import Arrival
from scp.inbox import Inbox

ARRIVAL = Arrival("site:7", "H", "1.2", "1.2.3", "1.2.4", "1.2.5", "1.2.840.10008.1.2.1", datetime.now(UTC))

PROGRAM = """
import hashlib, sys
from datetime import UTC, datetime
from pathlib import Path
from scp.arrival import Arrival
from scp.inbox import Inbox

def say(*words):
    print(*words, flush=True)

inbox = Inbox(Path(sys.argv[1]))
arrival = Arrival("site:7", "H", "1.2", "1.2.3", "1.2.4", "1.2.5", "1.2.840.10008.1.2.1", datetime.now(UTC))

def put(number, size=200_000):
    dataset = number.to_bytes(4, "big") * (size // 4)
    try:
        inbox.put(arrival, dataset)
        say("kept", hashlib.sha256(dataset).hexdigest())
    except OSError as error:
        say("refused", error.errno)
"""
WRITE = "pwritev2"  # what os.pwritev is to the kernel
SIX = "\nfor number in range(6):\n    put(number, 200_000 if number % 2 else 900_000)\n"


def tool(name: str) -> str:
    path = shutil.which(name)
    assert path, f"{name} is missing: deploy/apt.sh test"
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Inbox(tmp_path / "inbox")  # the keys are made here, so that a fault strikes an object
    return tmp_path / "inbox"


def run(folder: Path, program: str, *before: str) -> list[str]:
    command = [*before, sys.executable, "-c", PROGRAM + program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


def injected(folder: Path, fault: str, program: str = SIX) -> list[str]:
    trace = folder.parent / "trace"
    calls = "fsync,fdatasync,pwrite64,pwritev,pwritev2,rename,unlink,flock"
    said = run(
        folder, program, tool("strace"), "-f", "-y", "-o", str(trace), "-e", f"trace={calls}", "-e", f"inject={fault}"
    )
    assert re.search(r"INJECTED|killed by SIGKILL", trace.read_text()), "the fault did not strike"
    return said


def left(folder: Path) -> list[str]:
    """The digests of what waits; anything that is neither whole nor gone fails the test."""
    inbox = Inbox(folder)
    digests = [inbox.read(entry).sha256 for entry in inbox.waiting(100)]
    assert inbox.damaged() == []
    assert len(list((folder / "new").iterdir())) == len(digests)
    return digests


def kept(said: list[str]) -> list[str]:
    return [line.split()[1] for line in said if line.startswith("kept")]


FAULTS = [
    *(f"{call}:error=EIO:when={when}" for call in ("fsync", "rename", WRITE) for when in (1, 2, 3)),
    f"{WRITE}:error=ENOSPC:when=2",
    f"{WRITE}:error=EDQUOT:when=1",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_fails_refuses_that_object_alone_and_leaves_nothing(folder, fault) -> None:
    said = injected(folder, fault)
    assert len(said) == 6
    assert sum(line.startswith("refused") for line in said) == 1
    assert left(folder) == kept(said)
    assert list((folder / "tmp").iterdir()) == []


def test_an_fsync_that_failed_is_never_tried_again(folder) -> None:
    """Linux would say yes the second time, without the data."""
    injected(folder, "fsync:error=EIO:when=3")
    calls = (folder.parent / "trace").read_text().splitlines()
    failed = next(line for line in calls if "INJECTED" in line)
    file = re.search(r"<([^>]+)>", failed)[1]
    assert "/inbox/tmp/" in file
    assert sum(" fsync(" in line and f"<{file}>" in line for line in calls) == 1


@pytest.mark.parametrize("call", ["fsync", "rename", WRITE, "flock"])
@pytest.mark.parametrize("when", [1, 4])
def test_killed_at_any_call_what_was_acknowledged_is_there_and_nothing_is_half(folder, call, when) -> None:
    said = injected(folder, f"{call}:signal=KILL:when={when}")
    assert len(said) < 6
    found = left(folder)
    assert found[: len(said)] == kept(said)
    assert len(found) <= len(said) + 1  # one may be whole whose answer was not given
    Inbox(folder).sweep()
    assert list((folder / "tmp").iterdir()) == []


@pytest.mark.parametrize("call", ["rename", "flock"])
def test_killed_between_waiting_and_held_an_entry_is_in_one_of_both(folder, call) -> None:
    hold = "\nfor number in range(4):\n    put(number)\nfor entry in inbox.waiting(9):\n    inbox.archived(entry)\n"
    when = {"rename": 6, "flock": 3}[call]
    injected(folder, f"{call}:signal=KILL:when={when}", hold)
    inbox = Inbox(folder)
    keys = [entry.key for entry in (*inbox.held(9, timedelta(0)), *inbox.waiting(9))]
    assert keys == sorted(set(keys))
    assert len(keys) == {"rename": 4, "flock": 2}[call]


def test_a_full_disk_refuses_leaves_nothing_and_takes_again_when_there_is_room(folder) -> None:
    said = run(
        folder,
        """
import subprocess
place = sys.argv[1] + "/../small"
Path(place).mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3500k", "none", place], check=True)
inbox = Inbox(Path(place) / "inbox")
for number in range(6):
    put(number, 1_000_000)
say(len(inbox.waiting(99)), len(list((Path(place) / "inbox" / "tmp").iterdir())))
inbox.done(inbox.waiting(1)[0])
put(9, 900_000)
subprocess.run(["mount", "-o", "remount,ro", place], check=True)
put(10)
subprocess.run(["mount", "-o", "remount,rw", place], check=True)
inbox.done(inbox.waiting(1)[0])
put(11)
say(len([inbox.read(entry) for entry in inbox.waiting(99)]))
""",
        tool("unshare"), "--map-root-user", "--mount",
    )  # fmt: skip
    words = [line.split()[0] for line in said]
    assert words == ["kept"] * 3 + ["refused"] * 3 + ["3", "kept", "refused", "kept", "3"]
    assert said[3:7] == ["refused 28"] * 3 + ["3 0"]
    assert said[8] == "refused 30"


def test_too_many_open_files_refuse_and_recover(folder) -> None:
    said = run(
        folder,
        """
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
opened = []
put(0)
for spare in (0, 1):  # not one file can be opened; then the object's, but not its folder
    while True:
        try:
            opened.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            break
    for _ in range(spare):
        os.close(opened.pop())
    put(1)
    os.close(opened.pop())
    say(len(os.listdir(sys.argv[1] + "/tmp")), len(os.listdir(sys.argv[1] + "/new")))
for one in opened:
    os.close(one)
put(2)
""",
    )
    assert [line.split()[0] for line in said] == ["kept", "refused", "0", "refused", "0", "kept"]
    assert {said[1], said[3]} == {"refused 24"}
    assert len(left(folder)) == 2


def test_what_must_stay_free_stays_free_while_an_object_comes(tmp_path) -> None:
    free = shutil.disk_usage(tmp_path).free
    inbox = Inbox(tmp_path / "inbox", keep_free=free - (64 << 20))
    writing = inbox.begin()
    with pytest.raises(OSError, match="almost full"):
        for _ in range(1000):
            writing.write(bytes(1 << 20))
    assert writing.size < 1000 << 20
    assert list((tmp_path / "inbox" / "tmp").iterdir()) == []
    with pytest.raises(ValueError, match="dropped already"):
        writing.keep(ARRIVAL)


def test_a_large_object_reaches_the_disk_as_it_comes(folder) -> None:
    """Its sender would otherwise wait for gigabytes after the last byte, and give up."""
    said = injected(folder, "fdatasync:error=EIO:when=1", "\nput(1, 70 << 20)\nput(2)\n")
    assert [line.split()[0] for line in said] == ["refused", "kept"]
    assert left(folder) == kept(said)
    assert list((folder / "tmp").iterdir()) == []


def test_without_a_key_on_the_disk_nothing_is_taken_and_with_it_again(folder) -> None:
    """What is sealed with a key that is nowhere any more would be acknowledged and lost."""
    key_file, safe = folder.parent / "keys.json", folder.parent / "safe.json"
    inbox = Inbox(folder)
    said = run(
        folder,
        f"""
import shutil
put(1)
shutil.move({str(key_file)!r}, {str(safe)!r})
put(2)
Path({str(key_file)!r}).write_text("no keys")
put(3)
shutil.move({str(safe)!r}, {str(key_file)!r})
put(4)
""",
    )
    assert [line.split()[0] for line in said] == ["kept", "refused", "refused", "kept"]
    assert [inbox.read(entry).sha256 for entry in inbox.waiting(9)] == kept(said)
    assert hashlib.sha256(b"\0\0\0\1" * 50_000).hexdigest() == kept(said)[0]
