"""One association that times each answer: `python -m bench.sender PORT CALLED CALLING`, the files by stdin.

C-STORE written by hand (PS3.7 section 9.1.1, PS3.8 section 9.3), so that the sender is not what is measured. It prints,
as JSON, the seconds from the last byte of each object handed to the kernel until its response had come.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Final

from scp.part10 import split_part10
from scp.pdv import COMMAND, LAST, PDU_HEAD, pdata

CT: Final = b"1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE: Final = b"1.2.840.10008.1.2.1"
LONGEST_PDU: Final = 131_072
_CONTEXT: Final = 1
_ITEM: Final = struct.Struct(">BxH")
_ELEMENT: Final = struct.Struct("<HHL")
_STATUS: Final = _ELEMENT.pack(0, 0x0900, 2)


def main() -> None:
    """Send them all; exit with words at the first that is not taken."""
    port, called, calling = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3].encode()
    files = [Path(line) for line in sys.stdin.read().splitlines()]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_request(called, calling))
        if _pdu(connection)[0] != 2:
            sys.exit("the association was not accepted")
        sys.stdout.write(json.dumps([_store(connection, number, file) for number, file in enumerate(files)]))
        connection.sendall(PDU_HEAD.pack(5, 4) + bytes(4))
        _pdu(connection)


def _store(connection: socket.socket, number: int, file: Path) -> float:
    """One object of the studies of `bench.images`, whose SOP Instance UID stands in the file meta."""
    content = file.read_bytes()
    at = content.index(struct.pack("<HH2s", 2, 3, b"UI"))
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    data_set = split_part10(content)[1]
    message = pdata(_CONTEXT, COMMAND | LAST, _command(number + 1, content[at + 8 : at + 8 + length]))
    step = LONGEST_PDU - 6
    starts = range(0, len(data_set), step)
    pieces = (pdata(_CONTEXT, LAST * (at + step >= len(data_set)), data_set[at : at + step]) for at in starts)
    connection.sendall(message + b"".join(pieces))
    sent = time.perf_counter()
    answer = _pdu(connection)[1]
    taken = time.perf_counter() - sent
    status = answer.partition(_STATUS)[2][:2]
    if status != bytes(2):
        sys.exit(f"{file.name} was answered with {status.hex() or 'something else'}")
    return taken


def _command(message_id: int, sop_uid: bytes) -> bytes:
    short = struct.Struct("<HHLH").pack
    elements = (
        _ELEMENT.pack(0, 0x0002, len(CT) + 1) + CT + b"\0"
        + short(0, 0x0100, 2, 1) + short(0, 0x0110, 2, message_id) + short(0, 0x0700, 2, 0) + short(0, 0x0800, 2, 1)
        + _ELEMENT.pack(0, 0x1000, len(sop_uid)) + sop_uid
    )  # fmt: skip
    return _ELEMENT.pack(0, 0, 4) + struct.pack("<L", len(elements)) + elements


def _request(called: bytes, calling: bytes) -> bytes:
    """A-ASSOCIATE-RQ for CT Image Storage (PS3.8 section 9.3.2)."""
    context = bytes((_CONTEXT, 0, 0, 0)) + _item(0x30, CT) + _item(0x40, EXPLICIT_LITTLE)
    user = _item(0x51, struct.pack(">L", LONGEST_PDU)) + _item(0x52, b"2.25.1")
    items = _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x20, context) + _item(0x50, user)
    body = struct.pack(">HH", 1, 0) + called.ljust(16) + calling.ljust(16) + bytes(32) + items
    return PDU_HEAD.pack(1, len(body)) + body


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _pdu(connection: socket.socket) -> tuple[int, bytes]:
    kind, length = PDU_HEAD.unpack(_exactly(connection, PDU_HEAD.size))
    return kind, _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            sys.exit("the connection was closed")
        got += more
    return got


if __name__ == "__main__":
    main()
