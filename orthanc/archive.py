"""The archive: everything we say to Orthanc over HTTP.

Bytes go through a fixed pool of kept-alive connections; questions about the server itself go through its own client
library. Nothing that a client of ours chose ever reaches Orthanc but the bytes of an instance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from orthanc_api_client import OrthancApiClient
from orthanc_api_client.api_client import SystemStatistics
from orthanc_api_client.exceptions import OrthancApiException

from orthanc.errors import (
    AlteredInArchive,
    ArchiveConflict,
    ArchiveRefused,
    ArchiveUnavailable,
    GoneFromDisk,
    NotInArchive,
)
from orthanc.place import Place, place_of, variants
from orthanc.wire import Body, Wire


@dataclass(frozen=True, slots=True)
class ArchiveInfo:
    """Which Orthanc this is."""

    version: str
    plugins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the archive holds; `size` in bytes on its disk."""

    studies: int
    series: int
    instances: int
    size: int


class Archive:
    """One Orthanc. Safe for threads; at most `connections` requests travel at the same time, others wait their turn.

    Every method raises ArchiveUnavailable (try again) or ArchiveRefused (never again), and nothing else.
    """

    def __init__(self, url: str, username: str, password: str, *, connections: int = 8, timeout: float = 60.0) -> None:
        self._timeout = timeout
        self._wire = Wire(url, username, password, connections, timeout)
        self._control = OrthancApiClient(url.rstrip("/") + "/", user=username, pwd=password, pool_maxsize=connections)

    def store(self, part10: bytes, md5: str) -> str:
        """Store one file; return its archive ID after reading back that the archive holds exactly these bytes.

        A file that is there already, whole on the archive's disk, is a success; a damaged one is replaced. Other
        content under its identifiers stays as it is, and this one is kept beside it, with an ID "instance/number".
        """
        return self._proven(*self._post(Body.of(part10)), Body.of(part10), md5)

    def entrust(self, body: Body, md5: Callable[[], str]) -> str:
        """As `store`, but a plain yes is believed: the caller has still to read the digest back.

        `md5` is asked only if the archive has something under these identifiers already.
        """
        instance, is_new = self._post(body)
        return instance if is_new else self._proven(instance, is_new, body, md5())

    def _proven(self, instance: str, is_new: bool, body: Body, md5: str) -> str:  # noqa: FBT001
        is_there = self.md5(instance) == md5
        if is_there and not is_new and not self.verify(instance):
            is_there = self._replace(instance, body, md5)
        return instance if is_there else self._store_beside(instance, body, md5)

    def _replace(self, instance: str, body: Body, md5: str) -> bool:
        """Store it in place of a damaged file; False if other contents would go with that."""
        try:
            self.delete(instance)
        except ArchiveConflict:
            return False
        self._post(body)
        return self.md5(instance) == md5

    def _post(self, body: Body) -> tuple[str, bool]:
        """Have it stored; return its ID, and whether it is new there."""
        return _stored(self._wire.read("POST", "/instances", body=body))

    def _store_beside(self, instance: str, body: Body, md5: str) -> str:
        for place in variants(instance, md5):
            if self._md5_at(place) == md5 and not self.verify(str(place)):
                self.delete(str(place))
            if self._md5_at(place) is None:
                self._attach(place, body)
            if self._md5_at(place) == md5:
                return str(place)
        raise ArchiveConflict(f"The archive holds too many other contents as {instance}.")

    def _attach(self, place: Place, body: Body) -> None:
        """Attach a file; whoever was faster keeps the number. Orthanc's yes proves nothing, its digest does."""
        with suppress(ArchiveConflict):
            self._wire.read("PUT", place.path, body=body)

    def _md5_at(self, place: Place) -> str | None:
        try:
            return self.md5(str(place))
        except NotInArchive:
            return None

    def md5(self, archive_id: str) -> str:
        """Return the MD5 of the file as the archive keeps it."""
        try:
            return self._wire.read("GET", f"{place_of(archive_id).path}/md5").decode("ascii", "replace")
        except NotInArchive:
            # An Orthanc that keeps no digests answers the same as one that has no such file.
            return self._md5_of_file(archive_id)

    def _md5_of_file(self, archive_id: str) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self.stream(archive_id):
            digest.update(piece)
        return digest.hexdigest()

    def verify(self, archive_id: str) -> bool:
        """Have the archive read the file from its disk again: is it there, and does it still fit its digest?"""
        try:
            self._wire.read("POST", f"{place_of(archive_id).path}/verify-md5")
        except NotInArchive:
            self.fetch(archive_id)  # an Orthanc that keeps no digests; its file can be read, if there is one
        except (ArchiveRefused, GoneFromDisk, AlteredInArchive):
            return False
        return True

    def fetch(self, archive_id: str) -> bytes:
        """Return the whole file."""
        return self._wire.read("GET", f"{place_of(archive_id).path}/data")

    def stream(self, archive_id: str, patience: float | None = None) -> Iterator[bytes]:
        """Yield the file in pieces; `patience`: seconds of silence, if fewer than usual, that are ArchiveSilent.

        What is already known to be wrong is raised before the first piece.
        """
        return self._wire.stream(f"{place_of(archive_id).path}/data", patience)

    def delete(self, archive_id: str) -> None:
        """Remove one file; it is no error if it is gone already.

        An instance beside which other contents are kept is an ArchiveConflict: they would go with it.
        """
        place = place_of(archive_id)
        try:
            if place.number is not None:
                self._wire.delete(place.path, tagged=f"{place.path}/md5")
            elif self._has_others(place):
                raise ArchiveConflict(f"Other contents are kept beside {archive_id}: delete those first.")
            else:
                self._wire.delete(f"/instances/{place.instance}")
        except NotInArchive:
            return

    def _has_others(self, place: Place) -> bool:
        names = orjson.loads(self._wire.read("GET", f"/instances/{place.instance}/attachments"))
        return any(str(name).isdecimal() for name in names)

    def last_change(self) -> int:
        """Return the number of the archive's last change: it grows, unless the archive lost what it had."""
        return int(self._json("/changes?last").get("Last", 0))

    def version(self) -> str:
        """Return Orthanc's version; the cheapest sign of life."""
        system = self._json("/system")
        return str(system.get("Version", ""))

    def probe(self) -> ArchiveInfo:
        """Ask which Orthanc this is and which plugins it has loaded."""
        version = self.version()
        plugins = _translated(lambda: self._control.get_json("plugins", timeout=self._timeout))
        return ArchiveInfo(version, tuple(str(name) for name in plugins))

    def holdings(self) -> Holdings:
        """Ask how much the archive holds."""
        self.version()
        said = _translated(lambda: SystemStatistics(self._control.get_json("statistics", timeout=self._timeout)))
        return Holdings(said.studies_count, said.series_count, said.instances_count, said.total_disk_size)

    def close(self) -> None:
        """Let all connections go."""
        self._wire.close()
        self._control.close()

    def _json(self, path: str) -> dict[str, Any]:
        try:
            said = orjson.loads(self._wire.read("GET", path))
        except orjson.JSONDecodeError as error:
            raise ArchiveUnavailable("What answers at the archive's address is not Orthanc.") from error
        if not isinstance(said, dict):
            raise ArchiveUnavailable("What answers at the archive's address is not Orthanc.")
        return said


def _stored(answer: bytes) -> tuple[str, bool]:
    """Read out of the answer to POST /instances the ID, and whether it is new; a 200 that names none stored nothing."""
    try:
        said = orjson.loads(answer)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or said.get("Status") not in {"Success", "AlreadyStored"}:
        raise ArchiveUnavailable("The archive said yes but named no stored instance.")
    return place_of(str(said.get("ID", ""))).instance, said["Status"] == "Success"


def _translated(ask: Callable[[], Any]) -> Any:
    """Ask Orthanc's client library, its errors in our words; an answer cut short shows there as one of the last two."""
    try:
        return ask()
    except (OrthancApiException, ValueError, AttributeError) as error:
        raise ArchiveUnavailable(f"The archive does not answer ({type(error).__name__}).") from error
