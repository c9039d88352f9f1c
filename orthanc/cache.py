"""The read cache: the bytes of archived instances, indexed so that a frame is one read, and series metadata ready.

Files are named by the SHA-256 of the data set (without file meta) and written whole or not at all; nothing is
synchronised to disk, because whatever is damaged or missing is fetched from the archive again: a file from before this
process began, which may have lost its blocks in a power cut, is read once before it is shown. Any number of processes
share the folder.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orthanc.archive import Archive
from orthanc.baking import SeriesKey, bake
from orthanc.cached import CachedInstance
from orthanc.elements import Buffer, Part10, read_part10
from orthanc.errors import ArchiveConflict, ArchiveUnavailable, NotInArchive, Unreadable
from orthanc.flights import Flights
from orthanc.recent import Recent
from orthanc.reencode import explicit_little, needs_reencoding
from orthanc.shelf import TOUCH_SECONDS, Shelf
from orthanc.sidecar import index_of, pack, unpack

FETCHES: Final = 4
REMEMBERED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Archived:
    """An instance by its content and by its place in the archive."""

    sha256: str
    archive_id: str


class ReadCache:
    """Instances by the digest of their data set. Safe for threads and for several processes."""

    def __init__(self, folder: Path, max_bytes: int, archive: Archive | None = None) -> None:
        self._shelf = Shelf(folder, max_bytes)
        self._archive = archive
        self._recent = Recent()
        self._began = time.time()
        self._whole: set[str] = set()
        self._instances: Flights[CachedInstance] = Flights()
        self._series: Flights[bytes] = Flights()

    def put(self, sha256: str, part10: Buffer) -> CachedInstance:
        """Keep a file whose data set has this digest (the caller knows it). Repeating it changes nothing.

        Raises Unreadable, and OSError if the disk says no; then nothing is kept, and the next `get` fetches.
        """
        return self.held(sha256) or self._admit(sha256, read_part10(part10), None)

    def admit(self, sha256: str, part10: Part10) -> CachedInstance:
        """As `put`, for whoever has taken the file apart already."""
        return self.held(sha256) or self._admit(sha256, part10, None)

    def get(self, sha256: str, archive_id: str) -> CachedInstance:
        """Return an instance, fetched from the archive if it is not here: once, however many ask.

        Raises ArchiveUnavailable, NotInArchive, ArchiveConflict (other content than this digest), Unreadable.
        """
        return self.held(sha256) or self._instances.join(sha256, lambda: self._fetch(sha256, archive_id))

    def held(self, sha256: str) -> CachedInstance | None:
        """Return an instance if it is here."""
        instance = self._recent.get(sha256) or self._open(sha256)
        if instance is not None:
            self._used(instance)
        return instance

    def warm(self, instances: Iterable[Archived]) -> list[CachedInstance]:
        """Have all of these here, several fetched at a time; the errors are those of `get`."""
        wanted = list(instances)
        missing = [one for one in wanted if self.held(one.sha256) is None]
        if missing:
            with ThreadPoolExecutor(FETCHES, "warm") as pool:
                list(pool.map(lambda one: self.get(one.sha256, one.archive_id), missing))
        return [self.get(one.sha256, one.archive_id) for one in wanted]

    def series_metadata(self, key: SeriesKey, instances: Iterable[Archived]) -> bytes:
        """Return the metadata of a series as gzipped JSON, sorted by instance number, then UID.

        `instances` is looked at only if this state of the series was not baked before: a generator costs nothing then.
        """
        file = self._shelf.series(key.name)
        return self._shelf.read_checked(file) or self._series.join(key.name, lambda: self._bake(file, key, instances))

    def close(self) -> None:
        """Let all files go."""
        self._recent.clear()

    def _open(self, sha256: str) -> CachedInstance | None:
        """Open what is on disk; what is damaged counts as absent."""
        file = self._shelf.object(sha256)
        try:
            index, metadata = unpack(file.with_suffix(".index").read_bytes())
            instance = CachedInstance(file, index, metadata)
        except (FileNotFoundError, Unreadable):
            return None
        if not self._is_whole(sha256, instance):
            return None
        self._recent.add(sha256, instance)
        return instance

    def _is_whole(self, sha256: str, instance: CachedInstance) -> bool:
        """What was written since we began (by a clock that may have jumped) lies in memory as it was written."""
        if self._began <= instance.written_at <= time.time() or sha256 in self._whole:
            return True
        if not instance.is_whole():
            return False
        if len(self._whole) >= REMEMBERED:
            self._whole.clear()
        self._whole.add(sha256)
        return True

    def _fetch(self, sha256: str, archive_id: str) -> CachedInstance:
        if self._archive is None:
            raise NotInArchive("There is no archive to fetch from.")
        fresh = self._shelf.fresh()
        try:
            with fresh.open("xb") as out:
                for piece in self._archive.stream(archive_id):
                    out.write(piece)
            part10 = read_part10(_mapped(fresh))
            if hashlib.sha256(part10.data[part10.dataset_at :]).hexdigest() != sha256:
                raise ArchiveConflict(f"The archive holds other content as {archive_id}.")
            return self._admit(sha256, part10, fresh)
        except OSError as error:
            raise ArchiveUnavailable(f"The cache cannot be written ({error.strerror}).") from error
        finally:
            fresh.unlink(missing_ok=True)

    def _admit(self, sha256: str, part10: Part10, written: Path | None) -> CachedInstance:
        """Put file and sidecar in place, the sidecar last: only with it the instance is here."""
        source = part10.transfer_syntax
        if needs_reencoding(part10):
            part10, written = read_part10(explicit_little(part10)), None
        index, metadata = index_of(part10, source)
        sidecar = pack(index, metadata)
        file = self._shelf.object(sha256)
        if written is None:
            self._shelf.write(file, part10.data)
        else:
            self._shelf.move(written, file)
        self._shelf.write(file.with_suffix(".index"), sidecar)
        instance = CachedInstance(file, index, metadata)
        self._recent.add(sha256, instance)
        self._shelf.wrote(index.length + len(sidecar))
        return instance

    def _bake(self, file: Path, key: SeriesKey, instances: Iterable[Archived]) -> bytes:
        baked = bake(self.warm(instances), key.base_url)
        with suppress(OSError):  # an answer that cannot be remembered is still an answer
            self._shelf.write_checked(file, baked)
        return baked

    def _used(self, instance: CachedInstance) -> None:
        now = time.monotonic()
        if instance.touched_at == 0.0 or now - instance.touched_at > TOUCH_SECONDS:
            instance.touched_at = now
            self._shelf.used(instance.path.with_suffix(".index"))


def _mapped(file: Path) -> memoryview:
    """Map a file into memory for as long as somebody looks at it."""
    with file.open("rb") as opened:
        if not os.fstat(opened.fileno()).st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
