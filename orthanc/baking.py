"""The metadata of a series, nearly ready to send (PS3.18 10.4.1.1.2): sorted, gzipped, its addresses without a root.

One state of a series is baked once, whatever roots it is asked for below: `below` puts the root in. docs/adr/0024
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from orthanc.cached import CachedInstance
from orthanc.metadata import with_base
from orthanc.sidecar import FORMAT

ROOT: Final = b"\0"
"""Stands where the root belongs: the only such byte, since JSON has no control characters (RFC 8259)."""

LEVEL: Final = 6
_GZIP: Final = 16 + zlib.MAX_WBITS
_PIECE: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """One state of one series: what its baked metadata are remembered by.

    The UID stands beside the row's number so that another database in the same data folder finds nothing of the old.
    """

    series_id: int
    series_uid: str
    version: int

    @property
    def name(self) -> str:
        """A file name that no other state of a series has, nor metadata that were made in another way."""
        said = orjson.dumps([FORMAT, self.series_id, self.series_uid, self.version, ROOT.hex()])
        return hashlib.sha256(said).hexdigest()


def bake(instances: Iterable[CachedInstance]) -> bytes:
    """Write the metadata of several instances as one gzipped JSON array, by instance number, then by SOP UID.

    Its addresses begin with `ROOT`.
    """
    return gzip.compress(_array(sorted(instances, key=_order), ROOT), LEVEL, mtime=0)


def below(baked: bytes, base_url: str) -> bytes:
    """Return what was baked with all addresses below the DICOMweb root `base_url`, gzipped; memory for pieces of it."""
    root, reader, writer = _root(base_url), zlib.decompressobj(_GZIP), zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    written, rest = bytearray(), baked
    while not reader.eof:
        piece = reader.decompress(rest, _PIECE)
        written += writer.compress(piece.replace(ROOT, root))
        rest = reader.unconsumed_tail
    return bytes(written + writer.flush())


def one_by_one(baked: bytes) -> Iterator[dict[str, Any]]:
    """Read what `bake` made instance by instance: all of them at once take twenty times the memory of their text."""
    text, decoder, at = gzip.decompress(baked).decode(), json.JSONDecoder(), 1
    while at < len(text) - 1:
        one, end = decoder.raw_decode(text, at)
        at = end + 1  # behind the comma
        yield one


def join(instances: Iterable[CachedInstance], base_url: str) -> bytes:
    """Write the metadata of instances as one JSON array in the order given, below the DICOMweb root `base_url`."""
    return _array(instances, _root(base_url))


def _array(instances: Iterable[CachedInstance], root: bytes) -> bytes:
    return b"[" + b",".join(with_base(one.metadata, root + _address(one)) for one in instances) + b"]"


def _order(instance: CachedInstance) -> tuple[bool, int, str]:
    number = instance.index.instance_number
    return number is None, number or 0, instance.index.sop_uid


def _root(base_url: str) -> bytes:
    """The root as the inside of a JSON string."""
    return orjson.dumps(base_url.rstrip("/"))[1:-1]


def _address(instance: CachedInstance) -> bytes:
    """Return the instance's URL below a root as the inside of a JSON string, whatever its UIDs contain."""
    index = instance.index
    study, series, sop = (quote(uid, safe="") for uid in (index.study_uid, index.series_uid, index.sop_uid))
    return orjson.dumps(f"/studies/{study}/series/{series}/instances/{sop}/")[1:-1]
