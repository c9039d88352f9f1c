"""A sender that keeps a ledger: every attempt and every acknowledgement, with the digest of its data set."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib import request

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from scp.inbox import Inbox
from scp.part10 import split_part10

EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32), fs/ext4/ext4.h of Linux
GO_LOG_FLUSH, GO_NO_LOG_FLUSH = 1, 2
TITLE = "DEMO_PACS"  # of the hospital that every demonstration has


@dataclass
class Ledger:
    """What was sent, by SOP Instance UID: a sender may take an acknowledged one for safe, and for nothing less."""

    study_uid: str
    files: list[Path]
    digests: dict[str, str]
    attempted: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def attempt(self, file: Path) -> None:
        with self._lock:
            self.attempted.add(uid_of(file))

    def acknowledge(self, file: Path) -> None:
        with self._lock:
            self.acknowledged.add(uid_of(file))

    def left(self) -> list[Path]:
        """What is not acknowledged yet: a PACS sends it again."""
        with self._lock:
            return [file for file in self.files if uid_of(file) not in self.acknowledged]

    def holds(self, present: dict[str, str]) -> None:
        """Acknowledged: there. There: attempted, whole, as it was sent."""
        lost = self.acknowledged - set(present)
        assert not lost, f"{len(lost)} of {len(self.acknowledged)} acknowledged instances are lost"
        assert set(present) <= self.attempted, "something is there that nobody sent"
        assert present == {uid: self.digests[uid] for uid in present}, "something is there that is not as it was sent"


def uid_of(file: Path) -> str:
    return file.name.removesuffix(".dcm")


def digest_of(part10: bytes) -> tuple[str, str]:
    uid = str(dcmread(BytesIO(part10), stop_before_pixels=True).SOPInstanceUID)
    return uid, hashlib.sha256(split_part10(part10)[1]).hexdigest()


def image(study_uid: str, series_uid: str, number: int, side: int) -> bytes:
    """An image of noise: none of it is zeros, so that lost blocks show."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study_uid, series_uid, study_uid
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Synthetic^Fault", "FAULT-1", "19610704", "F"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20261120", "101530", "7", "ACC1"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber, ds.ReferringPhysicianName = "CT", 1, number, ""
    ds.Rows = ds.Columns = side
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = random.Random(number).randbytes(side * side * 2)
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


@pytest.fixture
def make_ledger(tmp_path: Path) -> Callable[..., Ledger]:
    """`make_ledger(200, side=128)`: a study of so many images in a folder of its own, none of them sent yet."""

    def make(count: int, side: int = 128) -> Ledger:
        study_uid, series_uid = generate_uid(), generate_uid()
        folder = tmp_path / f"study-{study_uid[-8:]}"
        folder.mkdir()
        files, digests = [], {}
        for number in range(1, count + 1):
            part10 = image(study_uid, series_uid, number, side)
            uid, digests[uid] = digest_of(part10)
            files.append(folder / f"{uid}.dcm")
            files[-1].write_bytes(part10)
        return Ledger(study_uid, files, digests)

    return make


def storescu(ledger: Ledger, port: int, files: Sequence[Path]) -> None:
    """One association of a real sender; it sends in the order of its arguments and stops at the first failure."""
    path = shutil.which("storescu")
    assert path, "storescu is missing: apt-get install dcmtk"
    words = ("-v", "-to", 5, "-ta", 20, "-td", 60, "-aet", TITLE, "-aec", "OVERREAD", "127.0.0.1", port, *files)
    process = subprocess.Popen(
        [path, *map(str, words)], env=os.environ | {"TCP_NODELAY": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    sending, sent = iter(files), iter(files)
    with process.stdout as said:
        for line in said:
            if "Sending Store Request" in line:
                ledger.attempt(next(sending))
            if "Received Store Response (Success)" in line:
                ledger.acknowledge(next(sent))
    process.wait(60)


class Push:
    """Sends a study over several associations at once, and again whatever was not acknowledged, until it is told to
    stop.
    """

    def __init__(self, ledger: Ledger, port: int, associations: int, at_once: int) -> None:
        self._ledger, self._port, self._at_once = ledger, port, at_once
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(ledger.files[number::associations],))
            for number in range(associations)
        ]

    def __enter__(self) -> Push:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, files: list[Path]) -> None:
        mine = set(files)
        while not self._stop.wait(0.02):
            left = [file for file in self._ledger.left() if file in mine]
            if not left:
                return
            storescu(self._ledger, self._port, left[: self._at_once])


def ask_orthanc(installation: Any, path: str, body: object = None) -> bytes:
    """Ask the installation's own Orthanc, past all of our code."""
    archive = json.loads((installation.data / "run.json").read_text())["archive"]
    asked = request.Request(archive["url"] + path, None if body is None else json.dumps(body).encode())
    secret = b64encode(f"{archive['username']}:{archive['password']}".encode()).decode()
    asked.add_header("Authorization", f"Basic {secret}")
    with request.urlopen(asked, timeout=60) as answer:
        return bytes(answer.read())


def in_archive(installation: Any, study_uid: str) -> dict[str, str]:
    wanted = {"Level": "Instance", "Query": {"StudyInstanceUID": study_uid}}
    ids = json.loads(ask_orthanc(installation, "/tools/find", wanted))
    found = [digest_of(ask_orthanc(installation, f"/instances/{each}/file")) for each in ids]
    assert len(dict(found)) == len(found), "an instance is in the archive twice"
    return dict(found)


def rows_of(installation: Any, study_uid: str) -> list[str]:
    """What our own DICOMweb says that there is, to a coordinator."""
    token = installation.token("coordinator@demo.example")
    path = f"/dicom-web/studies/{study_uid}/instances?limit=5000"
    status, listed = installation.api("GET", path, token)
    return sorted(each["00080018"]["Value"][0] for each in listed) if status == 200 else []


def echo(port: int) -> bool:
    words = ["echoscu", "-to", "5", "-aet", TITLE, "-aec", "OVERREAD", "127.0.0.1", str(port)]
    return subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0


@dataclass(frozen=True)
class Outside:
    """What somebody outside may do with an installation, and ask of it."""

    wait: Callable[..., None]

    def pushing(self, ledger: Ledger, port: int, associations: int = 2, at_once: int = 10) -> Push:
        """Sends in the background for the time of a `with`; at its end what is under way is finished."""
        return Push(ledger, port, associations, at_once)

    @staticmethod
    def answers_echo(port: int) -> bool:
        return echo(port)

    @staticmethod
    def in_archive(installation: Any, ledger: Ledger) -> dict[str, str]:
        """What Orthanc has of the study: the digest of each data set by its UID."""
        return in_archive(installation, ledger.study_uid)

    def keeps_its_promise(self, installation: Any, ledger: Ledger) -> None:
        """By itself every acknowledged instance is in Orthanc once and as it was sent, and has its row once; nothing
        else is there; the service answers.
        """
        waiting = installation.data / "inbox" / "new"

        def settled() -> bool:
            try:
                there = in_archive(installation, ledger.study_uid)
            except OSError:  # it is being started again
                return False
            return not list(waiting.iterdir()) and ledger.acknowledged <= set(there)

        with suppress(AssertionError):  # then the ledger says what is lost
            self.wait(settled, 120)
        present = in_archive(installation, ledger.study_uid)
        ledger.holds(present)
        assert not list(waiting.iterdir()), "the inbox does not become empty"
        self.wait(lambda: rows_of(installation, ledger.study_uid) == sorted(present), 60, "a row for each")
        for folder in ("quarantine", "inbox/damaged"):
            assert list((installation.data / folder).iterdir()) == [], folder
        assert echo(installation.dicom)
        self.wait(lambda: installation.api("GET", "/health")[0] == 200, 60, "/health")


@pytest.fixture(scope="session")
def outside(wait_for: Callable[..., None]) -> Outside:
    """An outsider with a ledger: `outside.pushing(ledger, port)`, `outside.keeps_its_promise(installation, ledger)`."""
    return Outside(wait_for)


# --- one receiving process, without the rest ----------------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
from scp.inbox import Inbox
from scp.peers import PeerBook
from scp.server import ReceiverSettings, serve
folder = Path(sys.argv[1])
settings = ReceiverSettings(folder / "counters", host="127.0.0.1", port=int(sys.argv[2]), stop_seconds=2)
serve(settings, PeerBook(folder / "peers.json"), Inbox(folder / "inbox"), lambda port: print("ready", flush=True))
"""


@dataclass(frozen=True)
class Receiver:
    """A receiver in `folder`, which may be ended and started as often as one likes."""

    folder: Path
    port: int

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        peers = [{"ae_title": TITLE, "origin": "site:7", "name": "Hospital"}]
        (self.folder / "peers.json").write_text(json.dumps({"peers": peers}))
        command = [sys.executable, "-c", PROGRAM, str(self.folder), str(self.port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        with process.stdout as said:
            try:
                assert any(line.strip() == "ready" for line in said)
                yield process
            finally:
                process.terminate()
                process.wait(20)

    @contextmanager
    def struck(self, process: subprocess.Popen[str], call: str, fault: str) -> Iterator[Path]:
        """Strike the calls of this name of each of its threads, counted from now on; gives the trace."""
        strace, trace = shutil.which("strace"), self.folder.parent / "trace"
        assert strace, "strace is missing: deploy/apt.sh test"
        how = ("-f", "-e", f"trace={call}", "-e", f"inject={call}:{fault}", "-o", trace, "-p", process.pid)
        tracer = subprocess.Popen([strace, *map(str, how)], stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        with tracer.stderr as said:
            try:
                assert any("attached" in line for line in said)
                yield trace
            finally:
                tracer.terminate()
                tracer.wait(20)

    def present(self) -> dict[str, set[str]]:
        """The digests of what waits, by UID; one that was not answered may be there twice, the same."""
        inbox = Inbox(self.folder / "inbox")
        found: dict[str, set[str]] = {}
        for entry in inbox.waiting(1000):
            uid, digest = digest_of(inbox.read(entry).part10)
            found.setdefault(uid, set()).add(digest)
        assert inbox.damaged() == []
        return found


@pytest.fixture
def receiver(tmp_path: Path, free_port: Callable[[], int]) -> Receiver:
    """A receiver in `data`, where `disk` is mounted if a test asks for that first."""
    (tmp_path / "data").mkdir(exist_ok=True)
    return Receiver(tmp_path / "data", free_port())


# --- a disk that loses its power ----------------------------------------------------------------------------------


def tool(*words: object) -> None:
    path = shutil.which(str(words[0]), path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path, f"{words[0]} is missing: apt-get install e2fsprogs mount"
    done = subprocess.run([path, *map(str, words[1:])], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{words[0]} (this test must be root, with loop devices): {done.stderr}"


@dataclass
class Disk:
    """An ext4 of its own in a file, mounted at `folder`."""

    file: Path
    folder: Path

    def make(self) -> None:
        with self.file.open("wb") as file:
            file.truncate(6 << 30)
        tool("mkfs.ext4", "-q", "-F", self.file)

    def mount(self) -> None:
        self.folder.mkdir(exist_ok=True)
        tool("mount", "-o", "loop", self.file, self.folder)

    def remount(self, how: str) -> None:
        """Make it read-only ("ro") or writable ("rw"), as soon as no file is open for writing."""
        for _ in range(200):
            with suppress(AssertionError):
                return tool("mount", "-o", f"remount,{how}", self.folder)
            time.sleep(0.02)
        raise AssertionError(f"{self.folder} cannot be remounted {how}")

    def cut_the_power(self, *, journal: bool) -> None:
        """From now on nothing reaches the disk. With `journal` the file system's own log still does, as on a disk that
        had just been told to.
        """
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", GO_LOG_FLUSH if journal else GO_NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        for _ in range(100):  # a process that was just killed may hold it for a moment
            if not os.path.ismount(self.folder):
                return
            with suppress(AssertionError):
                tool("umount", self.folder)
            time.sleep(0.1)
        raise AssertionError(f"{self.folder} is in use")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """An ext4 of this test alone, mounted where `start_installation` has its data folder.

    `make test` runs without root, too, and that cannot mount a disk: the one test that is left out then says so.
    """
    if os.geteuid() or not Path("/dev/loop-control").exists():
        pytest.skip("cutting a disk's power needs root and loop devices")
    made = Disk(tmp_path / "disk.img", tmp_path / "data")
    made.make()
    made.mount()
    yield made
    made.unmount()
    made.file.unlink()
