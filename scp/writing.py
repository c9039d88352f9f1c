"""An object on its way into the inbox: sealed as it comes, in memory that does not grow with it."""

import errno
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import Explained
from config.keys import KeyRing
from config.sealing import Room, Sealer
from scp import entry
from scp.arrival import Arrival
from scp.durable import Unfinished
from scp.entry import Entry
from scp.part10 import Buffer

_STEP = 8 << 20  # at most so much is written until the disk is asked again what is free


@dataclass(frozen=True, slots=True)
class Place:
    """Where an inbox writes, and with what. `keep_free`: bytes of the disk that are never taken."""

    tmp: Path
    new: Path
    ring: KeyRing
    keep_free: int
    rooms: list[Room] = field(default_factory=list)


_SETTLE = 64 << 20


class Writing:
    """One object on its way into the inbox. As a context manager it drops the object unless it was kept."""

    def __init__(self, place: Place) -> None:
        """Raise OSError if the disk says no."""
        self._place, self._allowance = place, -1
        self._allow(0)
        self._room: Room | None = place.rooms.pop() if place.rooms else Room()
        self._id = os.urandom(8).hex()
        self._file = Unfinished(place.tmp / self._id)
        self._sealer = Sealer(self._file.descriptor, entry.subject_of(self._id), self._room)
        self._settled = 0

    def __enter__(self) -> "Writing":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    @property
    def size(self) -> int:
        """How many bytes of the data set were written so far."""
        return self._sealer.size

    def write(self, piece: Buffer) -> None:
        """Take the next bytes of the data set, any number. On OSError the object is dropped."""
        self._require_open()
        data = memoryview(piece).cast("B")
        try:
            self._allow(len(data))
            self._sealer.write(data)
            self._settle()
        except OSError:
            self.drop()
            raise

    def keep(self, arrival: Arrival) -> Entry:
        """Durable on return. On OSError it was not kept and nothing of it is left behind."""
        self._require_open()
        size = len(entry.part10_head(arrival)) + self.size
        key = f"{time.time_ns():020}-{size}-{self._id}"
        try:
            self._sealer.finish(entry.note_of(key, arrival), self._place.ring)
            self._file.finish(self._place.new / key)
        except Explained as error:  # without a key that is safe on the disk nothing may be taken
            raise OSError(errno.ENOKEY, str(error)) from error
        finally:
            self.drop()
        return Entry(key, arrival, size)

    def drop(self) -> None:
        """Keep nothing, unless it was kept, and leave nothing behind; repeating it is no error."""
        self._file.drop()
        if self._room is not None:
            self._place.rooms.append(self._room)
            self._room = None

    def _require_open(self) -> None:
        if self._room is None:
            raise ValueError("This object was kept or dropped already.")

    def _settle(self) -> None:
        """Bring a large object to the disk as it comes: its sender waits for the last part alone."""
        if self.size - self._settled >= _SETTLE:
            os.fdatasync(self._file.descriptor)
            self._settled = self.size

    def _allow(self, more: int) -> None:
        if self._place.keep_free and more > self._allowance:
            disk = os.statvfs(self._place.tmp)
            self._allowance = disk.f_bavail * disk.f_frsize - self._place.keep_free
            if more > self._allowance:
                raise OSError(errno.ENOSPC, "The disk of the inbox is almost full")
            self._allowance = min(self._allowance, _STEP)
        self._allowance -= more
