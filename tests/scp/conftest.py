"""Objects made here, real DCMTK tools, and receivers that run in this process or in one of their own."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

from scp.counters import totals
from scp.inbox import Inbox
from scp.part10 import split_part10
from scp.peers import PeerBook
from scp.requesting import Endpoint, associated
from scp.server import Receiver, ReceiverSettings

CT = "1.2.840.10008.5.1.4.1.1.2"
FAST = os.environ | {"TCP_NODELAY": "1"}


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_object(sop_class_uid: str = CT, syntax: str = ExplicitVRLittleEndian, pixels: int = 512, **more) -> bytes:
    """A small object as a Part 10 file: identity, a nested sequence, a private element and pixel data."""
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "T-11170", "Spine"
    outer = Dataset()
    outer.ContentSequence = Sequence([inner])
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class_uid, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Modality, ds.PatientName, ds.InstanceNumber = "CT", "Synthetic^Person", 1
    ds.ContentSequence = Sequence([outer])
    ds.private_block(0x0029, "OVERREAD TEST", create=True).add_new(1, "LO", "kept")
    ds.PixelData = bytes(pixels)
    ds["PixelData"].VR = "OW"
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def make_compressed(syntax: str, fragments: tuple[bytes, ...] = (b"\0" * 64, b"\1" * 32), **more) -> bytes:
    """An object whose pixel data are encapsulated; the frames are not decodable, which nobody here tries."""
    from pydicom.encaps import encapsulate

    plain = make_object(pixels=0, **more)
    _, dataset = split_part10(plain)
    ds = dataset[: bytes(dataset).rindex(b"\xe0\x7f\x10\x00OW")]
    pixels = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + encapsulate(list(fragments)) + b"\xfe\xff\xdd\xe0\0\0\0\0"
    head = make_meta(plain, syntax)
    return head + bytes(ds) + pixels


def make_meta(part10: bytes, syntax: str) -> bytes:
    from scp.part10 import file_head
    from scp.screen import screen

    old, dataset = split_part10(part10)
    identity = screen(dataset, old)
    return file_head(identity.sop_class_uid, identity.sop_uid, syntax)


def dataset_of(part10: bytes) -> bytes:
    return bytes(split_part10(part10)[1])


def dcmtk(tool: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a DCMTK tool to its end; a tool that is not installed fails the test."""
    path = shutil.which(tool)
    assert path, f"{tool} is missing: install dcmtk"
    return subprocess.run(
        [path, *map(str, arguments)], env=FAST, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def running(*command: object, port: int, **how) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block, from when its port answers."""
    path = shutil.which(str(command[0]))
    assert path, f"{command[0]} is missing"
    process = subprocess.Popen(
        [path, *map(str, command[1:])], env=FAST, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how
    )
    try:
        wait_for(lambda: answers(port))
        yield process
    finally:
        process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def store_raw(
    port: int, dataset: bytes, *, syntax: str = ExplicitVRLittleEndian, announced: tuple[str, str] = (CT, "1.2.3")
) -> C_STORE | None:
    """Store bytes as they are, however wrong, and return the peer's answer."""
    endpoint = Endpoint("OVERREAD", "127.0.0.1", port)
    with associated(endpoint, "HOSPITAL", 10, [build_context(announced[0], syntax)]) as association:
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = announced
        request.DataSet = BytesIO(dataset)
        association._reactor_checkpoint.clear()
        wait_for(lambda: association._is_paused)
        association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
        _, answer = association.dimse.get_msg(block=True)
        association._reactor_checkpoint.set()
        return answer


@dataclass(frozen=True)
class Hospital:
    """A receiver that knows one sender, HOSPITAL, and what it has kept."""

    folder: Path
    port: int
    inbox: Inbox
    receiver: Receiver | None = None

    def storescu(self, *files: Path, options: tuple[object, ...] = ()) -> subprocess.CompletedProcess[str]:
        return dcmtk("storescu", "-v", "-aet", "HOSPITAL", "-aec", "OVERREAD", *options, "127.0.0.1", self.port, *files)

    def counts(self) -> dict[str, int]:
        return totals(self.folder / "counters")

    def saved(self) -> dict[str, int]:
        self.receiver.save_counters()
        return self.counts()

    def kept(self) -> list[bytes]:
        """The data sets in the inbox, oldest first."""
        stored = [self.inbox.read(entry) for entry in self.inbox.waiting(10_000)]
        return [dataset_of(one.part10) for one in stored]


def write_peers(path: Path, *ae_titles: str) -> None:
    peers = [{"ae_title": one, "origin": "site:7", "name": "Hospital"} for one in ae_titles]
    path.write_text(json.dumps({"peers": peers}))


def settings(folder: Path, **more) -> ReceiverSettings:
    return replace(ReceiverSettings(counters=folder / "counters", host="127.0.0.1", port=0, stop_seconds=3), **more)


@contextmanager
def receiving(folder: Path, **more) -> Iterator[Hospital]:
    """A receiver in this process."""
    write_peers(folder / "peers.json", "HOSPITAL")
    inbox = Inbox(folder / "inbox")
    receiver = Receiver(settings(folder, **more), PeerBook(folder / "peers.json"), inbox)
    receiver.start()
    try:
        yield Hospital(folder, receiver.port, inbox, receiver)
    finally:
        receiver.stop()


@contextmanager
def receiver_process(folder: Path, port: int, process: str = "dicom-0", **limits) -> Iterator[subprocess.Popen[str]]:
    """A receiver in a process of its own; `limits` are resource limits by name (FSIZE)."""
    program = f"""
import resource
from pathlib import Path
from scp.inbox import Inbox
from scp.peers import PeerBook
from scp.server import ReceiverSettings, serve
for name, value in {limits!r}.items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
folder = Path({str(folder)!r})
settings = ReceiverSettings(folder / "counters", host="127.0.0.1", port={port}, process={process!r})
serve(settings, PeerBook(folder / "peers.json"), Inbox(folder / "inbox"), lambda port: print("ready", port, flush=True))
print("ended", flush=True)
"""
    write_peers(folder / "peers.json", "HOSPITAL")
    with (folder / f"{process}.log").open("w") as log:
        child = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=log, stderr=log, text=True)
    try:
        wait_for(lambda: "\nready" in "\n" + (folder / f"{process}.log").read_text())
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        child.wait(20)


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    with receiving(tmp_path) as running_hospital:
        yield running_hospital


@pytest.fixture
def made() -> "Made":
    return Made()


class Made:
    """What the tests of this folder use from here, since test folders are no packages."""

    CT = CT
    object = staticmethod(make_object)
    compressed = staticmethod(make_compressed)
    dataset_of = staticmethod(dataset_of)
    dcmtk = staticmethod(dcmtk)
    running = staticmethod(running)
    free_port = staticmethod(free_port)
    wait_for = staticmethod(wait_for)
    answers = staticmethod(answers)
    store_raw = staticmethod(store_raw)
    receiving = staticmethod(receiving)
    receiver_process = staticmethod(receiver_process)
    inbox = staticmethod(lambda folder: Inbox(folder / "inbox"))
    write_peers = staticmethod(write_peers)
    Hospital = Hospital

    @staticmethod
    def element(tag: int, value: bytes, vr: bytes = b"LO") -> bytes:
        """One explicit little endian element of a short VR."""
        return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
