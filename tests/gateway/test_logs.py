"""A log that cannot be written stops nobody: a full disk of the log once turned A700 into C211 and ended receivers."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from gateway.installation import Folders, remember_start
from gateway.logs import SurvivingLogger

PROGRAM = """
import sys
import structlog
from gateway.logs import write_structured_logs

write_structured_logs()
log = structlog.get_logger()
for _ in range(3):
    try:
        raise OSError(28, "No space left on device")
    except OSError:
        log.exception("could not keep an instance")
sys.stderr.write("went on")
"""


def test_a_full_disk_under_the_log_raises_nothing_into_the_caller() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", PROGRAM], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.stderr, done.returncode) == (b"went on", 0)


WARNING = """
import warnings
from gateway.logs import write_structured_logs

write_structured_logs()
warnings.warn("Invalid value for VR UI: '\\x1b[2J\\r\\n1.2'")
"""


def test_what_a_library_warns_of_is_a_line_of_the_log_and_escaped() -> None:
    """pydicom warns of values that strangers chose: they stood raw on stderr."""
    done = subprocess.run([sys.executable, "-c", WARNING], capture_output=True, check=True)
    (line,) = (done.stdout + done.stderr).splitlines()
    told = json.loads(line)
    assert told["logger"] == "py.warnings"
    assert "\x1b[2J\r\n1.2" in told["event"]
    assert all(32 <= byte < 127 for byte in line)


def test_lost_lines_are_counted_and_told_when_there_is_room_again(tmp_path) -> None:
    log = (tmp_path / "log").open("ab")
    full = os.open("/dev/full", os.O_WRONLY)
    out = os.dup(full)
    logger = SurvivingLogger(out)
    logger.msg("one")
    logger.info("two")
    assert logger.lost == 2
    os.dup2(log.fileno(), out)
    logger.msg("three")
    logger.msg("four")
    lines = (tmp_path / "log").read_text().splitlines()
    assert json.loads(lines[0]) == {"event": "log lines were lost", "lines": 2}
    assert lines[1:] == ["three", "four"]
    assert logger.lost == 0
    log.close()
    os.close(full)
    os.close(out)


# --- what strangers send ------------------------------------------------------------------------------------------

HOSTILE = b"\x1b[2J\r\n\x07ROOT".ljust(16)


def asking(title: bytes, *, length: int | None = None) -> bytes:
    """An A-ASSOCIATE-RQ of this calling AE title, with one context for C-ECHO."""

    def item(kind: int, data: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(data)) + data

    offered = item(0x20, b"\1\0\0\0" + item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2"))
    user = item(0x50, item(0x51, bytes(4)) + item(0x52, b"1.2.3"))
    titles = b"OVERREAD".ljust(16) + title + bytes(32)
    body = b"\0\1\0\0" + titles + item(0x10, b"1.2.840.10008.3.1.1.1") + offered + user
    return struct.pack(">BxL", 1, len(body) if length is None else length) + body


GOOD = b"HOSPITAL".ljust(16)
ODD_COMMAND = struct.pack(">BxLLBB", 4, 22, 18, 1, 3) + b"\0\0\2\0\x10\0\0\0\x1b[31mraw\n"
SENT = {
    "a hostile AE title": [asking(HOSTILE)],
    "a name that is no text": [asking(b"\x1b\0\x9b\xffROOT".ljust(16))],
    "a length that lies": [asking(HOSTILE, length=0xF0000000)],
    "items that lie": [asking(GOOD)[:80] + HOSTILE * 20],
    "no DICOM": [b"GET /\x1b[31m HTTP/1.1\r\n\r\n"],
    "a command that is none": [asking(GOOD), ODD_COMMAND],
    "a PDU of an unknown kind": [asking(GOOD), b"\x1b\0\0\0\0\4\x1b[2J"],
    "a PDU that is too long": [asking(GOOD), b"\1\0\xff\xff\xff\xff"],
}


@pytest.fixture
def log(settings: Settings, free_port) -> Iterator[Path]:
    """The log of a receiver to which all of SENT was sent, when it has ended."""
    port, folders, log = free_port(), Folders(settings.data), settings.data / "receiver.log"
    remember_start(load_settings(settings.data, None, dicom={"port": port, "host": "127.0.0.1"}))
    folders.peers.write_text('{"peers": [{"ae_title": "HOSPITAL", "origin": "site:7", "name": "Hospital"}]}')
    command = [sys.executable, "-m", "gateway", "serve", "dicom", "--data", str(settings.data)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        for messages in SENT.values():
            send(port, messages)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    yield log


def send(port: int, messages: list[bytes]) -> None:
    with connected(port) as peer:
        for message in messages:
            with suppress(ConnectionError):
                peer.sendall(message)
                peer.recv(4096)


def connected(port: int) -> socket.socket:
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 15)
        except ConnectionRefusedError:
            assert time.monotonic() < end, "the receiver does not answer"
            time.sleep(0.05)


def test_what_strangers_send_stands_nowhere_raw_and_makes_no_traceback(log) -> None:
    """pynetdicom wrote an AE title as it came, and a traceback of 20 lines for each PDU that was cut off."""
    written = log.read_bytes()
    lines = [json.loads(line) for line in written.splitlines()]
    assert any("\x1b[2J\r\n" in line["event"] for line in lines), "it is told, and escaped"
    assert "pynetdicom" in {line.get("logger", "").partition(".")[0] for line in lines}
    assert all(32 <= byte < 127 or byte == 10 for byte in written)
    assert b"Traceback" not in written
    assert max(map(len, written.splitlines())) < 1500
