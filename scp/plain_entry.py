"""An entry as it lay in the inbox before entries were sealed; nothing writes it any more.

magic | lengths of note, file head and data set | SHA-256 of the data set | CRC-32 of note and file head
| note (the Arrival as JSON) | file head (preamble and file meta) | data set, byte for byte as it came
"""

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from config.sealing import Damaged
from scp.arrival import Arrival
from scp.part10 import file_head

MAGIC = b"OVRIN\0\0\1"
_HEAD = struct.Struct("<8sLLQ32sL")
_FIRST_READ = 4096


@dataclass(frozen=True, slots=True)
class PlainHead:
    """What the head of a plain entry says; `size` is that of the Part 10 file, which ends the entry."""

    arrival: Arrival
    size: int
    sha256: str
    dataset_at: int


def is_plain(path: Path) -> bool:
    """Whether a file is a plain entry. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return file.read(len(MAGIC)) == MAGIC


def read_head(path: Path) -> PlainHead:
    """Read the note alone. Raises Damaged, OSError if it is gone."""
    with path.open("rb") as file:
        start = file.read(_FIRST_READ)
    try:
        magic, note_size, head_size, data_size, digest, check = _HEAD.unpack_from(start)
        data_at = _HEAD.size + note_size + head_size
        if magic != MAGIC or data_at > len(start) or zlib.crc32(start[_HEAD.size : data_at]) != check:
            raise Damaged(f"the head of {path.name} is damaged")
        arrival = Arrival.from_fields(json.loads(start[_HEAD.size : _HEAD.size + note_size]))
        return PlainHead(arrival, head_size + data_size, digest.hex(), data_at)
    except (struct.error, ValueError, TypeError, KeyError) as error:
        raise Damaged(f"the head of {path.name} is damaged") from error


def read_dataset(path: Path) -> bytes:
    """Read the data set and prove it. Raises Damaged, OSError if it cannot be read."""
    told = read_head(path)
    head = file_head(told.arrival.sop_class_uid, told.arrival.sop_uid, told.arrival.transfer_syntax)
    dataset = path.read_bytes()[told.dataset_at :]
    if len(head) + len(dataset) != told.size:
        raise Damaged(f"{path.name} is cut short or overlong")
    if hashlib.sha256(dataset).hexdigest() != told.sha256:
        raise Damaged(f"{path.name} differs from what was received")
    return dataset
