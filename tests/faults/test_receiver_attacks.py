"""Attacks on a receiving process from outside: during each of them a good peer is answered, and afterwards nothing
is left of it: no memory, no thread, no descriptor, no file."""

import json
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from scp.inbox import Inbox

CT, EXPLICIT = b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.1.2.1"
ECHO_SECONDS, MOST_MEMORY = 15, 200e6
PROGRAM = """
import resource, sys
from pathlib import Path
from scp.inbox import Inbox
from scp.limits import Limits
from scp.peers import PeerBook
from scp.server import ReceiverSettings, serve
folder, port, files = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
limits = Limits(pdu_seconds=3, request_seconds=2, least_bytes_per_second=1 << 20)
settings = ReceiverSettings(folder / "counters", host="127.0.0.1", port=port, idle_seconds=5, limits=limits)
serve(settings, PeerBook(folder / "peers.json"), Inbox(folder / "inbox"), lambda port: print("ready", flush=True))
"""


class Victim:
    """One receiving process, seen from outside."""

    def __init__(self, folder: Path, files: int) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        peers = [{"ae_title": "HOSPITAL", "origin": "site:7", "name": "Hospital"}]
        (folder / "peers.json").write_text(json.dumps({"peers": peers}))
        command = [sys.executable, "-c", PROGRAM, str(folder), str(self.port), str(files)]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.at_rest = (0, 0)

    def __enter__(self) -> "Victim":
        until = time.monotonic() + 20
        while "\nready\n" not in (self.folder / "log").read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        self.echo()  # what a first association loads is not the attack's
        time.sleep(0.2)
        self.at_rest = self.used()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(20) == 0
        finally:
            self.process.kill()
            self.process.wait()

    def used(self) -> tuple[int, int]:
        """Threads and open files."""
        proc = Path(f"/proc/{self.process.pid}")
        return len(list((proc / "task").iterdir())), len(list((proc / "fd").iterdir()))

    def memory(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def associate(self) -> socket.socket:
        connection = self.connect()
        connection.sendall(request())
        assert connection.recv(4096)[:1] == b"\2"
        return connection

    def echo(self) -> None:
        """A good peer comes, is answered in time, and goes."""
        with self.connect() as connection:
            connection.settimeout(ECHO_SECONDS)
            connection.sendall(request())
            assert connection.recv(4096)[:1] == b"\2"
            connection.sendall(pdata(3, 3, command(0x30, b"1.2.840.10008.1.1", 0x0101)))
            assert connection.recv(4096)[:1] == b"\4"
            connection.sendall(b"\5\0\0\0\0\4\0\0\0\0")
            assert connection.recv(4096)[:1] == b"\6"

    def recovers(self) -> None:
        """Nothing is left but what was there at rest, give or take what a library keeps."""
        until = time.monotonic() + 15
        while self.used()[0] > self.at_rest[0] or self.used()[1] > self.at_rest[1]:
            assert time.monotonic() < until, (self.used(), self.at_rest)
            time.sleep(0.05)
        assert list((self.folder / "inbox" / "tmp").iterdir()) == []
        self.echo()


def item(kind: int, data: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(data)) + data


def request() -> bytes:
    contexts = {1: (CT, EXPLICIT), 3: (b"1.2.840.10008.1.1", b"1.2.840.10008.1.2")}
    offered = b"".join(
        item(0x20, bytes((number, 0, 0, 0)) + item(0x30, abstract) + item(0x40, syntax))
        for number, (abstract, syntax) in contexts.items()
    )
    user = item(0x50, item(0x51, bytes(4)) + item(0x52, b"1.2.3"))
    titles = b"OVERREAD".ljust(16) + b"HOSPITAL".ljust(16) + bytes(32)
    body = b"\0\1\0\0" + titles + item(0x10, b"1.2.840.10008.3.1.1.1") + offered + user
    return struct.pack(">BxL", 1, len(body)) + body


def pdata(context: int, control: int, data: bytes) -> bytes:
    return struct.pack(">BxLLBB", 4, len(data) + 6, len(data) + 2, context, control) + data


def command(field: int, sop_class: bytes, data_set: int) -> bytes:
    elements = [(2, sop_class + b"\0" * (len(sop_class) % 2)), (0x100, struct.pack("<H", field))]
    elements += [(0x110, b"\1\0"), (0x800, struct.pack("<H", data_set)), (0x1000, b"1.2.3\0")]
    return b"".join(struct.pack("<HHL", 0, element, len(value)) + value for element, value in elements)


STORE = pdata(1, 3, command(1, CT, 1))
PIXELS = pdata(1, 0, b"\xe0\x7f\x10\0OW\0\0\xfe\xff\xff\xff" + bytes(100_000))


@pytest.fixture
def victim(tmp_path, request):
    with Victim(tmp_path, getattr(request, "param", 1024)) as process:
        yield process


@contextmanager
def pouring(connection: socket.socket, data: bytes):
    """Send the same bytes again and again, as fast as they are taken, until the end of the block or of the link."""
    stopped = threading.Event()

    def pour() -> None:
        try:
            while not stopped.is_set():
                connection.sendall(data)
        except OSError:
            return

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        yield thread
    finally:
        stopped.set()
        connection.close()
        thread.join()


def test_silent_strangers_keep_nobody_out(victim):
    with ExitStack() as crowd:
        for _ in range(300):
            crowd.enter_context(victim.connect())
        victim.echo()
        assert victim.memory() < MOST_MEMORY
    victim.recovers()


@pytest.mark.faults
def test_strangers_who_send_a_byte_now_and_then_are_gone_in_time(victim):
    with ExitStack() as crowd:
        slow = [crowd.enter_context(victim.connect()) for _ in range(20)]
        begun = time.monotonic()
        while time.monotonic() - begun < 4:
            for connection in slow:
                try:
                    connection.send(b"\1")
                except OSError:
                    continue
            victim.echo()
            time.sleep(0.2)
        made_to_wait = victim.used()[0] - victim.at_rest[0]
        assert made_to_wait <= 2  # none of them, and perhaps the last good one
    victim.recovers()


@pytest.mark.parametrize(
    "opening",
    [
        struct.pack(">BxL", 1, 0xF0000000) + bytes(100_000),
        pytest.param(struct.pack(">BxL", 1, 60_000) + b"\xff" * 60_000, marks=pytest.mark.faults),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", marks=pytest.mark.faults),
        pytest.param(bytes(range(256)) * 16, marks=pytest.mark.faults),
        pytest.param(struct.pack(">BxL", 4, 12) + bytes(12), marks=pytest.mark.faults),
        pytest.param(b"\7\0\0\0\0\4\0\0\0\0", marks=pytest.mark.faults),
        pytest.param(b"", marks=pytest.mark.faults),
    ],
    ids=["lying length", "garbage request", "HTTP", "garbage", "data first", "abort first", "nothing"],
)
def test_garbage_is_let_go(victim, opening):
    for _ in range(30):
        with victim.connect() as connection:
            connection.sendall(opening)
    victim.echo()
    assert victim.memory() < MOST_MEMORY
    victim.recovers()


def capture(port: int, file: Path) -> bytes:
    """Everything that DCMTK's storescu says while it sends a file."""
    said = bytearray()

    def listen(near: socket.socket, far: socket.socket) -> None:
        answers = threading.Thread(target=forward, args=(far, near, bytearray()))
        answers.start()
        forward(near, far, said)
        answers.join()

    with socket.create_server(("127.0.0.1", 0)) as between:
        words = ("-aet", "HOSPITAL", "-aec", "OVERREAD", "127.0.0.1", str(between.getsockname()[1]), str(file))
        with subprocess.Popen(["storescu", *words], env=os.environ | {"TCP_NODELAY": "1"}) as sender:
            near, _ = between.accept()
            with near, socket.create_connection(("127.0.0.1", port)) as far:
                listen(near, far)
    assert sender.returncode == 0
    return bytes(said)


def forward(source: socket.socket, target: socket.socket, seen: bytearray) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            seen += piece
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def changed(chance: random.Random, good: bytes) -> bytes:
    """Some bytes of it another, some of it missing or twice; most of the changes are near the start of a PDU."""
    data = bytearray(good)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(min(len(data), 900) if chance.random() < 0.8 else len(data))
        what = chance.randrange(4)
        if what == 0:
            del data[at : at + chance.randrange(1, 40)]
        elif what == 1:
            data[at:at] = data[at : at + chance.randrange(1, 40)]
        else:
            data[at : at + 1] = bytes([chance.randrange(256)])
        data = data or bytearray(b"\1")
    return bytes(data[: chance.randrange(1, len(data) + 1)]) if chance.random() < 0.3 else bytes(data)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_pdus_by_the_thousand_changed_at_random(victim, make_ledger):
    """Of a capture and of the shortest conversation; whatever is kept of it is whole."""
    chance, (file,) = random.Random(11), make_ledger(1, side=16).files
    captured = capture(victim.port, file)
    short = request() + STORE + pdata(1, 2, bytes(200)) + b"\5\0\0\0\0\4\0\0\0\0"
    for good in (captured, short) * 1000:
        with victim.connect() as connection, suppress(ConnectionError):
            connection.sendall(changed(chance, good))
    assert victim.memory() < MOST_MEMORY
    victim.recovers()
    inbox = Inbox(victim.folder / "inbox")
    kept = [inbox.read(entry) for entry in inbox.waiting(5000)]  # proven as it is read
    assert kept
    assert inbox.damaged() == []


def test_an_endless_object_holds_no_memory(victim):
    with victim.associate() as connection:
        connection.sendall(STORE)
        before = victim.memory()
        with pouring(connection, PIXELS):
            time.sleep(1.5)
            victim.echo()
            assert victim.memory() - before < 30e6
    victim.recovers()


@pytest.mark.faults
def test_an_object_that_was_refused_at_its_start_may_go_on_for_ever_at_no_cost(victim):
    with victim.associate() as connection:
        connection.sendall(STORE + pdata(1, 0, b"\2\0\x10\0UI\2\0" + b"1\0" + bytes(300)))
        with pouring(connection, PIXELS):
            time.sleep(1)
            victim.echo()
            assert victim.memory() < MOST_MEMORY
            assert list((victim.folder / "inbox" / "tmp").iterdir()) == []
    victim.recovers()


@pytest.mark.faults
@pytest.mark.parametrize(
    "stream",
    [
        pdata(3, 3, command(0x30, b"1.2.840.10008.1.1", 0x0101)),  # echoes whose answers nobody reads
        pdata(1, 0, b"") * 100,
        pdata(1, 1, bytes(10)),
        pdata(3, 3, command(0x130, b"1.2.840.10008.1.1", 1)) + pdata(3, 0, bytes(60_000)),
    ],
    ids=["echoes", "empty fragments", "endless command", "endless other message"],
)
def test_floods_on_an_association_end_or_wait(victim, stream):
    with victim.associate() as connection:
        if stream == pdata(1, 0, b"") * 100:
            connection.sendall(STORE)
        with pouring(connection, stream):
            time.sleep(1)
            victim.echo()
            assert victim.memory() < MOST_MEMORY
    victim.recovers()


@pytest.mark.faults
def test_a_peer_that_stops_in_the_middle_of_a_pdu_is_let_go(victim):
    with victim.associate() as connection:
        connection.sendall(STORE + PIXELS[:5000])
        assert connection.recv(10) in {b"", b"\7\0\0\0\0\4\0\0\2\0"}
        victim.recovers()


@pytest.mark.faults
def test_a_peer_that_stops_between_pdus_is_let_go_when_it_was_idle(victim):
    with victim.associate() as connection:
        connection.sendall(STORE + PIXELS)
        assert connection.recv(10)[:1] in {b"", b"\7"}
        victim.recovers()


def test_a_link_that_is_cut_in_the_middle_of_an_object_leaves_nothing(victim):
    for _ in range(10):
        connection = victim.associate()
        connection.sendall(STORE + PIXELS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    victim.recovers()


@pytest.mark.faults
@pytest.mark.parametrize("victim", [64], indirect=True)
def test_without_descriptors_it_waits_quietly_and_goes_on_afterwards(victim):
    with ExitStack() as crowd:
        for _ in range(40):  # associations, which nobody ends to make room
            connection = crowd.enter_context(victim.connect())
            connection.settimeout(1)
            with suppress(OSError):
                connection.sendall(request())
                connection.recv(4096)
        for _ in range(60):
            crowd.enter_context(victim.connect())
        time.sleep(0.5)
        before, begun = victim.cpu_seconds(), time.monotonic()
        time.sleep(1)
        assert victim.cpu_seconds() - before < 0.7 * (time.monotonic() - begun)  # it does not spin
    victim.recovers()
