"""A full disk: said in one sentence at the start, A700 while running, never the end of a receiver."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from gateway.installation import Folders, remember_start
from gateway.supervisor import Part, Supervisor

FAST = os.environ | {"TCP_NODELAY": "1"}


def on_small_disk(tmp_path: Path, size: str, program: str) -> subprocess.CompletedProcess[str]:
    """Run a shell program whose "$disk" is a tmpfs of this size, mounted for it alone."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = f'disk="{disk}"; mount -t tmpfs -o size={size} none "$disk" || exit 77; {program}'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted],
        env=FAST, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 77, f"a tmpfs cannot be mounted here: {done.stderr}"
    return done


def up(free_port) -> str:
    return f'exec "{sys.executable}" -m gateway up --data "$disk/data" --http {free_port()} --dicom {free_port()}'


@pytest.mark.parametrize("rest", ["", "dd if=/dev/zero of=$disk/fill bs=64k 2>/dev/null;"])
def test_a_start_on_a_full_disk_says_so_at_once(tmp_path, rest, free_port) -> None:
    """It once took 68 s, and the sentence was about Orthanc."""
    command = (
        f'{rest} exec "{sys.executable}" -m gateway up --data "$disk/data" --http {free_port()} --dicom {free_port()}'
    )
    done = on_small_disk(tmp_path, "8m", f"mkdir $disk/data; {command}")
    assert done.returncode == 1
    assert "is full" in done.stderr
    assert "Make room there" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_start_on_a_read_only_disk_says_so(tmp_path, free_port) -> None:
    done = on_small_disk(tmp_path, "40m", f"mount -o remount,ro $disk; {up(free_port)}")
    assert "cannot be written (Read-only file system)" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def receiver(settings: Settings, free_port) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A receiver whose inbox takes nothing and whose log is on a full disk: its port, its process."""
    port = free_port()
    folders = Folders(settings.data)
    remember_start(
        load_settings(settings.data, None, dicom={"port": port, "host": "127.0.0.1", "inbox_keep_free": 1 << 60})
    )
    folders.peers.write_text('{"peers": [{"ae_title": "HOSPITAL", "origin": "site:7", "name": "Hospital"}]}')
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "dicom", "--data", str(settings.data)],
            env=FAST, stdout=full, stderr=full,
        )  # fmt: skip
    end = time.monotonic() + 20
    while not answers(port):
        assert process.poll() is None, "the receiver ended"
        assert time.monotonic() < end, "the receiver does not answer"
        time.sleep(0.05)
    yield port, process
    process.kill()
    process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_log_on_a_full_disk_ends_no_receiver_and_turns_no_status_into_another(receiver, make, tmp_path) -> None:
    """A700 once became C211, because writing the log raised; saving the counters ended the process."""
    port, process = receiver
    (tmp_path / "ct.dcm").write_bytes(make())
    tool = shutil.which("storescu")
    assert tool, "storescu is missing: install dcmtk"
    for _ in range(2):
        said = subprocess.run(
            [tool, "-v", "-aet", "HOSPITAL", "-aec", "OVERREAD", "127.0.0.1", str(port), str(tmp_path / "ct.dcm")],
            env=FAST, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert "0xa700" in (said.stdout + said.stderr).lower() or "OutOfResources" in said.stdout + said.stderr
    time.sleep(2.5)  # the counters are saved every two seconds
    assert process.poll() is None


def test_a_part_whose_log_cannot_be_made_runs_without_one(tmp_path, capfd) -> None:
    (tmp_path / "part.log").mkdir()
    supervisor = Supervisor(tmp_path, lambda _: None)
    supervisor.start([Part("part", ("sleep", "60"), dict(os.environ), lambda: True, 0)])
    supervisor.stop()
    assert "part.log cannot be written" in capfd.readouterr().err


def test_what_a_dead_process_left_of_uploads_is_removed_at_the_start(settings) -> None:
    folders = Folders(settings.data)
    (folders.uploads / "123-abc").write_bytes(b"half a file")
    folders.forget_uploads()
    assert list(folders.uploads.iterdir()) == []
