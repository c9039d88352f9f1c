"""The metadata of a series, ready to send (PS3.18 10.4.1.1.2): sorted, addresses absolute, gzipped."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from orthanc.cached import CachedInstance
from orthanc.metadata import with_base
from orthanc.sidecar import FORMAT


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """One state of one series, seen from one address: what its baked metadata are remembered by.

    The UID stands beside the row's number so that another database in the same data folder finds nothing of the old.
    """

    series_id: int
    series_uid: str
    version: int
    base_url: str

    @property
    def name(self) -> str:
        """A file name that no other state of a series has, nor metadata that were made in another way."""
        said = orjson.dumps([FORMAT, self.series_id, self.series_uid, self.version, self.base_url])
        return hashlib.sha256(said).hexdigest()


def bake(instances: Iterable[CachedInstance], base_url: str) -> bytes:
    """Write the metadata of several instances as one gzipped JSON array, by instance number, then by SOP UID."""
    return gzip.compress(join(sorted(instances, key=_order), base_url), 6, mtime=0)


def join(instances: Iterable[CachedInstance], base_url: str) -> bytes:
    """Write the metadata of instances as one JSON array in the order given, below the DICOMweb root `base_url`."""
    return b"[" + b",".join(with_base(one.metadata, _address(base_url, one)) for one in instances) + b"]"


def _order(instance: CachedInstance) -> tuple[bool, int, str]:
    number = instance.index.instance_number
    return number is None, number or 0, instance.index.sop_uid


def _address(base_url: str, instance: CachedInstance) -> bytes:
    """Return the instance's URL as the inside of a JSON string, whatever its UIDs contain."""
    index = instance.index
    study, series, sop = (quote(uid, safe="") for uid in (index.study_uid, index.series_uid, index.sop_uid))
    url = f"{base_url.rstrip('/')}/studies/{study}/series/{series}/instances/{sop}/"
    return orjson.dumps(url)[1:-1]
