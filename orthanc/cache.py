"""The read cache: the bytes of archived instances, indexed so that a frame is one read, and series metadata ready.

Files are named by the SHA-256 of the data set (without file meta), sealed, and written whole or not at all; nothing is
synchronised to disk, because whatever is damaged or missing is fetched from the archive again: each chunk of a sealed
file proves itself when it is read, so that what lost its blocks in a power cut, or was changed, is never shown. Any
number of processes share the folder.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from config.key_file import file_ring_made
from config.keys import KeyRing
from config.sealing import Buffer, Damaged, Sealed
from orthanc.archive import Archive
from orthanc.baking import SeriesKey
from orthanc.cached import LENGTH_BYTES, CachedInstance
from orthanc.elements import Part10, read_part10
from orthanc.errors import AlteredInArchive, ArchiveUnavailable, NotInArchive, Unreadable
from orthanc.flights import Flights
from orthanc.gate import Gate
from orthanc.pictures import Pictures
from orthanc.recent import Recent
from orthanc.reencode import explicit_little, needs_reencoding
from orthanc.series import BakedSeries, Kept
from orthanc.shelf import INSTANCES, TOUCH_SECONDS, Shelf
from orthanc.sidecar import index_of, pack

FETCHES: Final = 4
PATIENCE: Final = 20.0
"""Seconds of the archive's silence for which somebody waits who wants to look at an image."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Archived:
    """An instance by its content and by its place in the archive."""

    sha256: str
    archive_id: str


Tell = Callable[[Archived], object]


def _nothing() -> None:
    """Keep nothing beside the cache."""


class ReadCache:
    """Instances by the digest of their data set. Safe for threads and for several processes."""

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        archive: Archive | None = None,
        ring: KeyRing | None = None,
        altered: Tell = lambda _: None,
    ) -> None:
        """`ring`: the keys; without it those of the key file beside the folder, which is made if there is none.

        `altered` is told of an instance that the archive gives otherwise than it took it.
        """
        self._shelf = Shelf(folder, max_bytes, ring or file_ring_made(folder.parent / "keys.json"))
        self._archive, self._altered = archive, altered
        self._gate = Gate(FETCHES)
        self._recent = Recent()
        self._instances: Flights[CachedInstance] = Flights()
        self._series = BakedSeries(self._shelf)
        self._pictures = Pictures(self._shelf)

    def put(self, sha256: str, part10: Buffer) -> CachedInstance:
        """Keep a file whose data set has this digest (the caller knows it). Repeating it changes nothing.

        Raises Unreadable, and OSError if the disk says no; then nothing is kept, and the next `get` fetches.
        """
        return self.held(sha256) or self._admit(sha256, read_part10(part10))

    def get(self, sha256: str, archive_id: str) -> CachedInstance:
        """Return an instance, fetched from the archive if it is not here: once, however many ask.

        Raises ArchiveUnavailable, AlteredInArchive (other content than this digest, or none), NotInArchive (there is
        no archive), Unreadable.
        """
        instance = self.held(sha256) or self._instances.join(sha256, lambda: self._fetch(sha256, archive_id))
        instance.archive_id = archive_id
        return instance

    def held(self, sha256: str) -> CachedInstance | None:
        """Return an instance if it is here."""
        instance = self._recent.get(sha256) or self._open(sha256)
        if instance is not None:
            self._used(instance)
        return instance

    def at_hand(self, sha256: str) -> CachedInstance | None:
        """Return an instance if it is open already: nothing is read."""
        instance = self._recent.get(sha256)
        if instance is not None:
            self._used(instance)
        return instance

    def has(self, sha256: str) -> bool:
        """Whether an instance is here, by its file's name alone."""
        return self._shelf.path(INSTANCES, sha256).exists()

    def keep(self, one: Archived) -> None:
        """Have an instance here as if it was just used; the errors are those of `get`."""
        if not self._shelf.used(self._shelf.path(INSTANCES, one.sha256)):
            self.get(one.sha256, one.archive_id)

    def warm(self, instances: Iterable[Archived]) -> list[CachedInstance]:
        """Have all of these here, several fetched at a time; the errors are those of `get`."""
        wanted = list(instances)
        missing = [one for one in wanted if self.held(one.sha256) is None]
        if missing:
            with ThreadPoolExecutor(FETCHES, "warm") as pool:
                list(pool.map(lambda one: self.get(one.sha256, one.archive_id), missing))
        return [self.get(one.sha256, one.archive_id) for one in wanted]

    def series_metadata(
        self, key: SeriesKey, base_url: str, instances: Iterable[Archived], kept: Kept = _nothing
    ) -> bytes:
        """Return the metadata of a series as gzipped JSON, sorted by instance number, then UID, below a DICOMweb root.

        `kept` and then `instances` are looked at only if this state of the series is not here: a generator costs
        nothing then. The errors are those of `get`.
        """
        return self._series.answer(key, base_url, lambda: self.baked_series(key, instances, kept))

    def baked_series(self, key: SeriesKey, instances: Iterable[Archived], kept: Kept = _nothing) -> bytes:
        """Return the metadata of a series without a root (`orthanc.baking`); otherwise as `series_metadata`."""
        return self._series.baked(key, kept, lambda: self.warm(instances))

    def series_at_hand(self, key: SeriesKey, base_url: str) -> bytes | None:
        """Return what `series_metadata` returned lately: no disk is asked."""
        return self._series.at_hand(key, base_url)

    def picture(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return a picture by a name that says all it depends on (a digest): made once, however many ask, and kept."""
        return self._pictures.get(name, make)

    def close(self) -> None:
        """Let all files go."""
        self._recent.clear()
        self._series.forget()

    def _open(self, sha256: str) -> CachedInstance | None:
        """Open what is on disk; what is damaged counts as absent."""
        sealed = self._shelf.open(INSTANCES, sha256)
        if sealed is None:
            return None
        try:
            instance = CachedInstance(self._shelf.path(INSTANCES, sha256), sealed, self._renew)
        except (Damaged, Unreadable):
            return None
        self._recent.add(sha256, instance)
        return instance

    def _renew(self, damaged: CachedInstance) -> Sealed:
        """Fetch again what was found damaged while it was read; the bytes are the same, so their places are."""
        sha256, archive_id = damaged.sha256, damaged.archive_id

        def work() -> CachedInstance:
            log.warning("a damaged file of the cache is fetched again", sha256=sha256)
            self._recent.forget(sha256)
            self._shelf.remove(INSTANCES, sha256)
            return self._fetch(sha256, archive_id)

        return self._instances.join(sha256, work).opened()

    def _fetch(self, sha256: str, archive_id: str) -> CachedInstance:
        if self._archive is None or not archive_id:
            raise NotInArchive("There is no archive to fetch from.")
        with self._gate.one():
            part10 = self._ask(self._archive, sha256, archive_id)
        if part10 is None:
            self._altered(Archived(sha256, archive_id))
            raise AlteredInArchive(f"The archive does not give as {archive_id} what it took.")
        try:
            return self._admit(sha256, part10)
        except OSError as error:
            raise ArchiveUnavailable(f"The cache cannot be written ({error.strerror}).") from error

    def _ask(self, archive: Archive, sha256: str, archive_id: str) -> Part10 | None:
        """Fetch what has this digest; None if the archive has it not, or not any more."""
        try:
            return _whole(_in_memory(archive.stream(archive_id, PATIENCE)), sha256)
        except (NotInArchive, AlteredInArchive):
            return None

    def _admit(self, sha256: str, part10: Part10) -> CachedInstance:
        """Put a file and its sidecar in place."""
        source = part10.transfer_syntax
        if needs_reencoding(part10):
            part10 = read_part10(explicit_little(part10))
        sidecar = pack(*index_of(part10, source))
        length = len(part10.data).to_bytes(LENGTH_BYTES, "little")
        self._shelf.write(INSTANCES, sha256, (part10.data, sidecar), length)
        instance = self._open(sha256)
        if instance is None:
            raise OSError("What was written into the cache is not there.")
        return instance

    def _used(self, instance: CachedInstance) -> None:
        now = time.monotonic()
        if instance.touched_at == 0.0 or now - instance.touched_at > TOUCH_SECONDS:
            instance.touched_at = now
            self._shelf.used(instance.path)


def _whole(file: memoryview, sha256: str) -> Part10 | None:
    """The file if its data set has this digest. It could be read when it came, so it is not what came if it cannot."""
    try:
        part10 = read_part10(file)
    except Unreadable:
        return None
    return part10 if hashlib.sha256(part10.data[part10.dataset_at :]).hexdigest() == sha256 else None


def _in_memory(pieces: Iterable[bytes]) -> memoryview:
    """Gather a file in anonymous memory, which goes back as a whole; a file on its way is on no disk."""
    descriptor = os.memfd_create("overread fetch", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as out:
        for piece in pieces:
            out.write(piece)
        out.flush()
        if not out.tell():
            return memoryview(b"")
        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
