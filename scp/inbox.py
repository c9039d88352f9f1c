"""The inbox: where a received object lies until the archive provably has it.

    tmp/      files being written        new/      complete entries that wait for the archive
    held/     what the archive has, kept for a while in case it loses its last moments
    refused/  notes for coordinators     damaged/  files that are not as they were sealed
    commitments/  what peers want to be told is safe (`scp.transactions`)

Any number of processes may put; one at a time may empty it (`lock`). Nothing of what a peer sent is part of a name,
and nothing of it lies on the disk unsealed but the UIDs in commitments/.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.key_file import file_ring_made
from config.keys import KeyRing
from config.sealing import Damaged
from scp import durable, entry
from scp.arrival import Arrival, Refusal
from scp.entry import Entry, Stored
from scp.notes import RefusalNotes
from scp.part10 import Buffer
from scp.shelf import Shelf, seconds_in, size_in
from scp.transactions import Transactions
from scp.unreadable import Unreadable
from scp.writing import Place, Writing

__all__ = ["Backlog", "Damaged", "Entry", "Inbox", "InboxTaken", "Stored", "Writing"]

_CLOCK_SET_BACK = 60.0  # seconds ahead of our clock that a file server's may be
_GONE = float("-inf")  # the age of what is not there any more


class InboxTaken(Exception):  # noqa: N818 - it names what the inbox is
    """Another worker empties this inbox: try again later."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: how many objects of how many bytes, and when the first and the last came (None if nothing waits)."""

    count: int
    bytes: int
    oldest_at: datetime | None
    newest_at: datetime | None


class Inbox:
    """A durable folder of received objects. Methods raise OSError where the disk does."""

    def __init__(
        self, folder: Path, keep_free: int = 0, ring: KeyRing | None = None, largest: int | None = None
    ) -> None:
        """Use `folder`, making it if needed; refuse to take what would leave less than `keep_free` bytes free.

        `largest`: bytes of a data set that whoever screens one lets in, for the archive's sake; None: any number.
        `ring`: the keys; without it those of the key file beside the folder, which is made if there is none.
        """
        tmp, damaged = folder / "tmp", folder / "damaged"
        for path in (tmp, damaged, folder / "refused"):
            path.mkdir(parents=True, exist_ok=True)
        self.largest = largest
        self.folder = folder
        self._ring = ring or file_ring_made(folder.parent / "keys.json")
        self._tmp, self._damaged = tmp, damaged
        self._unreadable = Unreadable()
        self._new = Shelf(folder / "new", damaged, self._ring, self._unreadable)
        self._held = Shelf(folder / "held", damaged, self._ring, self._unreadable)
        self._lock = folder / "lock"
        self._place = Place(tmp, self._new.folder, self._ring, keep_free)
        self._notes = RefusalNotes(folder / "refused", tmp, damaged, self._ring)
        self.transactions = Transactions(folder / "commitments", tmp)

    def begin(self) -> Writing:
        """Begin to keep an object whose bytes are still coming."""
        return Writing(self._place)

    def put(self, arrival: Arrival, dataset: Buffer) -> Entry:
        """Keep one object: durable on return. On OSError it was not kept and nothing of it is left behind."""
        with self.begin() as writing:
            writing.write(dataset)
            return writing.keep(arrival)

    def waiting(self, limit: int) -> list[Entry]:
        """Return the oldest complete entries, oldest first.

        An entry that our disk does not give, or that no key opens, is left out, and tried again after a while.
        """
        return self._new.oldest(limit, self._unreadable.without_fresh(self._new.keys()))

    def read(self, kept: Entry) -> Stored:
        """Return the object, waiting or held, proven to be what was received.

        Raises Damaged, KeyMissing, KeysUnusable.
        """
        with self._unreadable.noting(kept.key):
            try:
                return entry.read_stored(self._new.path(kept.key), self._ring)
            except FileNotFoundError:
                return entry.read_stored(self._held.path(kept.key), self._ring)

    def archived(self, kept: Entry) -> None:
        """Hold an entry that the archive has; repeating it is no error, after a power cut it may wait again."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._new.path(kept.key))
            self._new.path(kept.key).rename(self._held.path(kept.key))

    def held(self, limit: int, older_than: timedelta) -> list[Entry]:
        """Return the oldest entries that were archived at least so long ago, oldest first.

        What was archived in the future is among them: the clock was set back, and they would wait until it comes again.
        """
        moment = time.time()
        aged = ((one.name, moment - _changed_at(one)) for one in os.scandir(self._held.folder))
        ripe = (name for name, age in aged if age >= older_than.total_seconds() or _GONE < age < -_CLOCK_SET_BACK)
        return self._held.oldest(limit, ripe)

    def done(self, finished: Entry) -> None:
        """Forget an entry that the archive has; repeating it is no error, and after a power cut it may come back."""
        self._new.forget(finished.key)
        self._held.forget(finished.key)

    def set_aside(self, troubled: Entry, folder: Path) -> Path:
        """Move an entry durably into a folder on the same file system and return where it is; `read_aside` reads it."""
        target = folder / troubled.key
        here = self._new.path(troubled.key)
        durable.move(here if here.exists() else self._held.path(troubled.key), target)
        return target

    def read_aside(self, path: Path) -> Stored:
        """Read what `set_aside` moved away. Raises Damaged, KeyMissing."""
        return entry.read_stored(path, self._ring)

    def put_back(self, back: Path | Entry) -> None:
        """Let an entry that was set aside (its path) or held wait again, in its old place."""
        path = self._held.path(back.key) if isinstance(back, Entry) else back
        durable.move(path, self._new.path(path.name))

    def backlog(self) -> Backlog:
        """Tell how much waits, from the names alone; what this process could not read is not among it."""
        names = self._unreadable.without(self._new.keys())
        if not names:
            return Backlog(0, 0, None, None)
        oldest, newest = (datetime.fromtimestamp(seconds_in(name), UTC) for name in (min(names), max(names)))
        return Backlog(len(names), sum(map(size_in, names)), oldest, newest)

    def unreadable(self) -> dict[str, str]:
        """Entries that this process could not read when it last tried: what to do about it, "" if it is the disk."""
        return self._unreadable.reasons()

    def damaged(self) -> list[Path]:
        """List the entries and notes that are not as they were sealed; a person must look at them."""
        return sorted(self._damaged.iterdir())

    def refuse(self, refusal: Refusal) -> None:
        """Note durably that an object was refused."""
        self._notes.add(refusal)

    def refusals(self, limit: int) -> list[tuple[str, Refusal]]:
        """Return the noted refusals with their keys, oldest first; a damaged note is put away."""
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


def _changed_at(one: os.DirEntry[str]) -> float:
    try:
        return one.stat().st_mtime
    except FileNotFoundError:
        return -_GONE
