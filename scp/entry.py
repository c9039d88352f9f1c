"""One file of the inbox: the data set byte for byte as it came, sealed, with a sealed note of what we know of it.

The note holds the file's own name, so that no file passes for another one; docs/adr/0008 has the format.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import orjson

from config.keys import KeyRing
from config.sealing import Damaged, Sealed, Subject
from scp.arrival import Arrival
from scp.part10 import file_head

PURPOSE = "received object"
WHOLE = 16 << 20  # a larger object is never in memory as a whole


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in the inbox; `size` is that of its Part 10 file in bytes."""

    key: str
    arrival: Arrival
    size: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A kept object with its proofs: SHA-256 of the data set as received, MD5 of the Part 10 file (both hexadecimal).

    The MD5 is worked out each time that it is asked for: it costs more than all the rest of reading.
    `pieces()` gives the Part 10 file, of `size` bytes, one piece after the other; each call begins anew. It may raise
    Damaged or OSError.
    """

    arrival: Arrival
    sha256: str
    size: int
    pieces: Callable[[], Iterator[bytes]] = field(repr=False, compare=False)

    @property
    def md5(self) -> str:
        """The digest that an archive keeps. Raises as `pieces`."""
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()

    @property
    def part10(self) -> bytes:
        """The Part 10 file as a whole: for objects that are larger than WHOLE use `pieces`."""
        return b"".join(self.pieces())

    def start(self, most: int) -> bytes:
        """The first bytes of the Part 10 file: at least `most`, or all there are."""
        taken, size = [], 0
        for piece in self.pieces():
            taken.append(piece)
            size += len(piece)
            if size >= most:
                break
        return b"".join(taken)


def subject_of(key: str) -> Subject:
    """What a file of this name is, wherever it lies."""
    return Subject(PURPOSE, key.rpartition("-")[2])


def part10_head(arrival: Arrival) -> bytes:
    """Preamble and file meta of an object."""
    return file_head(arrival.sop_class_uid, arrival.sop_uid, arrival.transfer_syntax)


def note_of(key: str, arrival: Arrival) -> bytes:
    """The note of an entry. It needs no digest of the object: the tags of its chunks prove it, and cost a fifth."""
    return orjson.dumps({"key": key, "arrival": arrival.fields()})


def read_entry(path: Path, ring: KeyRing) -> Entry:
    """Read the note alone. Raises Damaged, KeyMissing, OSError if it is gone."""
    with Sealed(path, ring, subject_of(path.name)) as sealed:
        arrival = _note(path, sealed)
        return Entry(path.name, arrival, len(part10_head(arrival)) + sealed.size)


def read_stored(path: Path, ring: KeyRing) -> Stored:
    """Read the whole object and prove it. Raises Damaged, KeyMissing, OSError if it cannot be read."""
    with Sealed(path, ring, subject_of(path.name)) as sealed:
        arrival = _note(path, sealed)
        if sealed.size <= WHOLE:
            return _whole(arrival, sealed.pieces())
        return _in_passing(arrival, sealed, partial(_pieces, path, ring))


def _note(path: Path, sealed: Sealed) -> Arrival:
    try:
        told = orjson.loads(sealed.note)
        if told["key"] != path.name:
            raise Damaged(f"{path.name} stands under another's name")
        return Arrival.from_fields(told["arrival"])
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(f"the note of {path.name} cannot be read") from error


def _whole(arrival: Arrival, dataset: Iterator[bytes]) -> Stored:
    head = part10_head(arrival)
    part10 = b"".join((head, *dataset))
    sha256 = hashlib.sha256(memoryview(part10)[len(head) :]).hexdigest()
    return Stored(arrival, sha256, len(part10), lambda: iter((part10,)))


def _in_passing(arrival: Arrival, sealed: Sealed, pieces: Callable[[], Iterator[bytes]]) -> Stored:
    sha256 = hashlib.sha256()
    for piece in sealed.pieces():
        sha256.update(piece)
    return Stored(arrival, sha256.hexdigest(), len(part10_head(arrival)) + sealed.size, pieces)


def _pieces(path: Path, ring: KeyRing) -> Iterator[bytes]:
    with Sealed(path, ring, subject_of(path.name)) as sealed:
        yield part10_head(_note(path, sealed))
        yield from sealed.pieces()
