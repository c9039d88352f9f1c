"""The inbox: where a received object lies until the archive provably has it.

    tmp/      files being written        new/      complete entries, named by time and size
    refused/  notes for coordinators     damaged/  files of new/ whose head cannot be read

Any number of processes may put; one at a time may empty it (`lock`). Nothing of what a peer sent is part of a name.
"""

import contextlib
import errno
import fcntl
import heapq
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from scp import durable, entry
from scp.arrival import Arrival, Refusal
from scp.entry import Damaged, Entry, Stored
from scp.notes import RefusalNotes
from scp.part10 import Buffer

__all__ = ["Backlog", "Damaged", "Entry", "Inbox", "InboxTaken", "Stored", "Writing"]

log = structlog.get_logger()

_KEY = re.compile(r"[0-9]{20}-[0-9]+-[0-9a-f]{16}")


class InboxTaken(Exception):  # noqa: N818 - it names what the inbox is
    """Another worker empties this inbox: try again later."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: how many entries of how many bytes, and since when (None if nothing does)."""

    count: int
    bytes: int
    oldest_at: datetime | None


class Inbox:
    """A durable folder of received objects. Methods raise OSError where the disk does."""

    def __init__(self, folder: Path, keep_free: int = 0) -> None:
        """Use `folder`, making it if needed; refuse to take what would leave less than `keep_free` bytes free."""
        self._tmp, self._new, self._damaged = folder / "tmp", folder / "new", folder / "damaged"
        self._refused = folder / "refused"
        for path in (self._tmp, self._new, self._damaged, self._refused):
            path.mkdir(parents=True, exist_ok=True)
        self._lock = folder / "lock"
        self._keep_free = keep_free
        self._notes = RefusalNotes(self._refused, self._tmp)
        self._known: dict[str, Entry] = {}

    def begin(self) -> "Writing":
        """Begin to keep an object whose bytes are still coming. Raises OSError."""
        return Writing(self)

    def put(self, arrival: Arrival, dataset: Buffer) -> Entry:
        """Keep one object: durable on return. On OSError it was not kept and nothing of it is left behind."""
        before, data = entry.encode(arrival, dataset)
        size = len(before) + len(data)
        self._check_space(size)
        key = f"{time.time_ns():020}-{size}-{os.urandom(8).hex()}"
        durable.create(self._tmp / key, self._new / key, (before, data))
        return Entry(key, arrival, size)

    def waiting(self, limit: int) -> list[Entry]:
        """Return the oldest complete entries, oldest first; each head is read once in the life of this Inbox."""
        names = self._keys()
        if len(self._known) > 2 * len(names) + limit:
            self._known = {name: self._known[name] for name in names if name in self._known}
        found = (self._entry(name) for name in heapq.nsmallest(limit, names))
        return [one for one in found if one is not None]

    def read(self, waiting: Entry) -> Stored:
        """Return the object, proven to be what was received, or raise Damaged."""
        return entry.read_stored(self._new / waiting.key)

    def done(self, finished: Entry) -> None:
        """Forget an entry that the archive has; repeating it is no error, and after a power cut it may come back."""
        self._known.pop(finished.key, None)
        (self._new / finished.key).unlink(missing_ok=True)

    def set_aside(self, troubled: Entry, folder: Path) -> Path:
        """Move an entry durably into a folder on the same file system and return where it is; `read_aside` reads it."""
        target = folder / troubled.key
        durable.move(self._new / troubled.key, target)
        self._known.pop(troubled.key, None)
        return target

    @staticmethod
    def read_aside(path: Path) -> Stored:
        """Read what `set_aside` moved away, or raise Damaged."""
        return entry.read_stored(path)

    def put_back(self, path: Path) -> None:
        """Let an entry that was set aside wait again, in its old place."""
        durable.move(path, self._new / path.name)

    def backlog(self) -> Backlog:
        """Tell how much waits, from the names alone."""
        names = self._keys()
        if not names:
            return Backlog(0, 0, None)
        oldest = int(min(names).partition("-")[0]) / 1e9
        return Backlog(len(names), sum(map(_size, names)), datetime.fromtimestamp(oldest, UTC))

    def damaged(self) -> list[Path]:
        """List the files whose head could not be read; a person must look at them."""
        return sorted(self._damaged.iterdir())

    def refuse(self, refusal: Refusal) -> None:
        """Note durably that an object was refused."""
        self._notes.add(refusal)

    def refusals(self, limit: int) -> list[tuple[str, Refusal]]:
        """Return the noted refusals with their keys, oldest first."""
        return self._notes.oldest(limit)

    def forget_refusal(self, key: str) -> None:
        """Remove a noted refusal; repeating it is no error."""
        self._notes.forget(key)

    def sweep(self) -> int:
        """Remove what dead writers left unfinished (none of it was acknowledged); return how many files."""
        return durable.sweep(self._tmp)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to empty this inbox, or raise InboxTaken; the kernel gives it back when a process dies."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise InboxTaken("Another worker empties this inbox.") from error
        try:
            yield
        finally:
            os.close(descriptor)

    def _keys(self) -> list[str]:
        return [name for name in os.listdir(self._new) if _KEY.fullmatch(name)]  # noqa: PTH208 - thousands, often

    def _entry(self, name: str) -> Entry | None:
        if name in self._known:
            return self._known[name]
        path = self._new / name
        try:
            arrival, size = entry.read_arrival(path)
        except FileNotFoundError:
            return None
        except Damaged:
            log.exception("an entry of the inbox is damaged", key=name)
            durable.move(path, self._damaged / name)
            return None
        return self._known.setdefault(name, Entry(name, arrival, size))

    def _check_space(self, size: int) -> None:
        if not self._keep_free:
            return
        disk = os.statvfs(self._new)
        if disk.f_bavail * disk.f_frsize < self._keep_free + size:
            raise OSError(errno.ENOSPC, "The disk of the inbox is almost full")


class Writing:
    """One object on its way into the inbox: dropped at the end of a `with` block unless it was kept."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox, self._data = inbox, bytearray()

    def __enter__(self) -> "Writing":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    @property
    def size(self) -> int:
        """How many bytes of the data set were written so far."""
        return len(self._data)

    def write(self, piece: Buffer) -> None:
        """Take the next bytes of the data set, any number. Raises OSError."""
        self._data += piece

    def keep(self, arrival: Arrival) -> Entry:
        """Durable on return. On OSError it was not kept and nothing of it is left behind."""
        return self._inbox.put(arrival, self._data)

    def drop(self) -> None:
        """Keep nothing, and leave nothing behind; repeating it is no error."""
        self._data = bytearray()


def _size(name: str) -> int:
    return int(name.split("-")[1])
