"""One file of the inbox: a head of our own, then the object as a Part 10 file.

    magic | lengths of note, file head and data set | SHA-256 of the data set | CRC-32 of note and file head
    | note (the Arrival as JSON) | file head (preamble and file meta) | data set, byte for byte as it came

Only `scp.inbox` reads and writes it; the format may change together with a migration of what lies there.
"""

import hashlib
import json
import struct
import zlib
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from scp.arrival import Arrival
from scp.part10 import Buffer, file_head

_MAGIC = b"OVRIN\0\0\1"
_HEAD = struct.Struct("<8sLLQ32sL")
_FIRST_READ = 4096


class Damaged(Exception):  # noqa: N818 - it names what the file is
    """A file of the inbox is not what was acknowledged: set it aside and tell a person."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object that waits in the inbox; `size` is that of its file in bytes."""

    key: str
    arrival: Arrival
    size: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A kept object with its proof: SHA-256 of the data set as received, MD5 of `part10` (both hexadecimal)."""

    arrival: Arrival
    part10: bytes
    sha256: str
    md5: str


def encode(arrival: Arrival, dataset: Buffer) -> tuple[bytes, memoryview]:
    """Return what stands before the data set, and the data set itself, which is not copied."""
    data = memoryview(dataset).cast("B")
    note = json.dumps(asdict(arrival) | {"received_at": arrival.received_at.isoformat()}).encode()
    head = file_head(arrival.sop_class_uid, arrival.sop_uid, arrival.transfer_syntax)
    digest = hashlib.sha256(data).digest()
    check = zlib.crc32(note + head)
    return _HEAD.pack(_MAGIC, len(note), len(head), len(data), digest, check) + note + head, data


def read_arrival(path: Path) -> tuple[Arrival, int]:
    """Read the note alone; return it and the size that the file must have. Raise Damaged, OSError if it is gone."""
    with path.open("rb") as file:
        start = file.read(_FIRST_READ)
    arrival, data_at, data_size, _ = _parse(start, path)
    return arrival, data_at + data_size


def read_stored(path: Path) -> Stored:
    """Read the whole object and prove it; raise Damaged, OSError if it cannot be read."""
    with path.open("rb") as file:
        arrival, data_at, data_size, digest = _parse(file.read(_FIRST_READ), path)
        head = file_head(arrival.sop_class_uid, arrival.sop_uid, arrival.transfer_syntax)
        file.seek(data_at - len(head))
        part10 = file.read()
    if len(part10) != len(head) + data_size or not part10.startswith(head):
        raise Damaged(f"{path.name} is cut short or overlong")
    if hashlib.sha256(memoryview(part10)[len(head) :]).digest() != digest:
        raise Damaged(f"{path.name} differs from what was received")
    md5 = hashlib.md5(part10, usedforsecurity=False).hexdigest()
    return Stored(arrival, part10, digest.hex(), md5)


def _parse(start: bytes, path: Path) -> tuple[Arrival, int, int, bytes]:
    try:
        magic, note_size, head_size, data_size, digest, check = _HEAD.unpack_from(start)
        data_at = _HEAD.size + note_size + head_size
        if magic != _MAGIC or data_at > len(start) or zlib.crc32(start[_HEAD.size : data_at]) != check:
            raise Damaged(f"the head of {path.name} is damaged")
        fields = json.loads(start[_HEAD.size : _HEAD.size + note_size])
        fields["received_at"] = datetime.fromisoformat(fields["received_at"])
        return Arrival(**fields), data_at, data_size, digest
    except (struct.error, ValueError, TypeError, KeyError) as error:
        raise Damaged(f"the head of {path.name} is damaged") from error
