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
from datetime import UTC, datetime, timedelta
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
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
from scp.requesting import Endpoint, Offer, Patience, associated
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
    with associated(
        endpoint, "HOSPITAL", Patience(10, 10), Offer([build_context(announced[0], syntax)])
    ) as association:
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


class RawPeer:
    """A sender that puts every byte on the wire itself, to do what no library would do."""

    def __init__(
        self, port: int, contexts: dict[int, tuple[str, str]], longest_pdu: int = 0, tls=None, name=b"HOSPITAL"
    ):
        self.connection = socket.create_connection(("127.0.0.1", port))
        if tls is not None:
            self.connection = tls.wrap_socket(self.connection, server_hostname="localhost")
        self.connection.settimeout(15)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.connection.sendall(association_request(contexts, longest_pdu, name))
            self.accepted = self.pdu()
        except OSError:
            self.connection.close()
            raise

    def __enter__(self) -> "RawPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, *pdvs: tuple[int, int, bytes]) -> None:
        """One P-DATA-TF PDU of (context ID, control header, fragment)."""
        items = b"".join(struct.pack(">LBB", len(data) + 2, context, control) + data for context, control, data in pdvs)
        self.connection.sendall(struct.pack(">BxL", 4, len(items)) + items)

    def store(self, dataset: bytes, command: bytes, *, context: int = 1, size: int = 60_000) -> None:
        self.send((context, 3, command))
        for at in range(0, len(dataset), size):
            self.send((context, 2 if at + size >= len(dataset) else 0, dataset[at : at + size]))

    def pdu(self) -> bytes:
        """The next whole PDU; empty when the connection is closed."""
        head = self._exactly(6)
        return head + self._exactly(struct.unpack(">BxL", head)[1]) if len(head) == 6 else b""

    def status(self) -> int:
        return self.answer()[0x0900]

    def answer(self) -> dict[int, int]:
        """The numbers in the next response, which may come in fragments."""
        command, control = b"", 0
        while not control & 2:
            pdu = self.pdu()
            assert pdu[:1] == b"\4", pdu
            control = pdu[11]
            command += pdu[12:]
        found, at = {}, 0
        while at < len(command):
            _, element, length = struct.unpack_from("<HHL", command, at)
            if length == 2:
                found[element] = struct.unpack_from("<H", command, at + 8)[0]
            at += 8 + length
        assert found[0x0100] & 0x8000
        return found

    def abort(self) -> tuple[int, int]:
        """Source and reason of the A-ABORT that must come now, followed by the end of the connection."""
        pdu = self.pdu()
        assert pdu[:1] == b"\7", pdu
        assert self._exactly(1) == b""
        return pdu[8], pdu[9]

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                more = self.connection.recv(size - len(data))
            except ConnectionResetError:
                return data
            if not more:
                return data
            data += more
        return data


def association_request(contexts: dict[int, tuple[str, str]], longest_pdu: int, name=b"HOSPITAL") -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 section 9.3.2)."""

    def item(kind: int, data: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(data)) + data

    offered = b"".join(
        item(0x20, bytes((number, 0, 0, 0)) + item(0x30, abstract.encode()) + item(0x40, syntax.encode()))
        for number, (abstract, syntax) in contexts.items()
    )
    user = item(0x50, item(0x51, struct.pack(">L", longest_pdu)) + item(0x52, b"1.2.3"))
    titles = b"OVERREAD".ljust(16) + name.ljust(16) + bytes(32)
    body = b"\0\1\0\0" + titles + item(0x10, b"1.2.840.10008.3.1.1.1") + offered + user
    return struct.pack(">BxL", 1, len(body)) + body


def command_set(**elements: int | str) -> bytes:
    """A command set of implicit little endian: c_0110=7 is element (0000,0110)."""
    data = b""
    for name, value in sorted(elements.items()):
        raw = struct.pack("<H", value) if isinstance(value, int) else value.encode() + b"\0" * (len(value) % 2)
        data += struct.pack("<HHL", 0, int(name[2:], 16), len(raw)) + raw
    return struct.pack("<HHLL", 0, 0, 4, len(data)) + data


def store_command(**changes: int | str | None) -> bytes:
    usual = {"c_0002": CT, "c_0100": 1, "c_0110": 7, "c_0700": 0, "c_0800": 1, "c_1000": "1.2.3"} | changes
    return command_set(**{name: value for name, value in usual.items() if value is not None})


# --- certificates -------------------------------------------------------------------------------------------------


def make_certificate(folder, name, issuer=None, days=2, ca=False):
    """A certificate of `name` by `issuer` (its own without); its files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by, by_key = issuer or (subject, key)
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=9)).not_valid_after(moment + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(by_key, SHA256())
    )  # fmt: skip
    (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )  # fmt: skip
    return made, (subject, key)


@pytest.fixture(scope="session")
def certify():
    """`certify(folder, "name", issuer, days=-1)` makes name.pem and name.key; it returns both and the issuer to be."""
    return make_certificate


@pytest.fixture
def authority(tmp_path):
    """An issuer for `certify`, whose certificate is ca.pem."""
    return make_certificate(tmp_path, "ca", ca=True)[1]


@pytest.fixture
def pki(tmp_path, authority):
    """A folder with ca.pem, ours, theirs and crl.pem, which revokes theirs."""
    for name in ("ours", "theirs"):
        make_certificate(tmp_path, name, authority)
    revoked = x509.load_pem_x509_certificate((tmp_path / "theirs.pem").read_bytes())
    moment = datetime.now(UTC)
    listed = (
        x509.RevokedCertificateBuilder().serial_number(revoked.serial_number).revocation_date(moment).build()
    )  # fmt: skip
    crl = (
        x509.CertificateRevocationListBuilder().issuer_name(authority[0]).last_update(moment - timedelta(hours=1))
        .next_update(moment + timedelta(days=1)).add_revoked_certificate(listed).sign(authority[1], SHA256())
    )  # fmt: skip
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    return tmp_path


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    with receiving(tmp_path) as running_hospital:
        yield running_hospital


@pytest.fixture(scope="session")
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
    RawPeer = RawPeer
    command_set = staticmethod(command_set)
    store_command = staticmethod(store_command)

    @staticmethod
    def element(tag: int, value: bytes, vr: bytes = b"LO") -> bytes:
        """One explicit little endian element of a short VR."""
        return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
