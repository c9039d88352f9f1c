"""One folder of entries, each named by when it came, how large it is, and a random number."""

import heapq
import os
import re
from collections.abc import Iterable
from pathlib import Path

import structlog

from config.keys import KeyMissing, KeyRing, KeysUnusable
from config.sealing import Damaged
from scp import durable, entry
from scp.entry import Entry
from scp.unreadable import Unreadable

log = structlog.get_logger()

_KEY = re.compile(r"[0-9]{20}-[0-9]+-[0-9a-f]{16}")


class Shelf:
    """The entries in a folder; the head of each is read once in the life of a Shelf."""

    def __init__(self, folder: Path, damaged: Path, ring: KeyRing, unreadable: Unreadable) -> None:
        """Use `folder`, making it if needed; entries whose head cannot be read go to `damaged`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._damaged, self._ring = folder, damaged, ring
        self._unreadable = unreadable
        self._known: dict[str, Entry] = {}

    def keys(self) -> list[str]:
        """The names of all entries, in no order."""
        return [name for name in os.listdir(self.folder) if is_key(name)]  # noqa: PTH208 - thousands, often

    def oldest(self, limit: int, keys: Iterable[str]) -> list[Entry]:
        """The oldest of these entries, oldest first, without what is gone, damaged or unreadable."""
        names = list(keys)
        if len(self._known) > 2 * len(names) + limit:
            self._known = {name: self._known[name] for name in names if name in self._known}
        found = (self._entry(name) for name in heapq.nsmallest(limit, names))
        return [one for one in found if one is not None]

    def path(self, key: str) -> Path:
        """Where the entry lies, if it is here."""
        return self.folder / key

    def forget(self, key: str) -> None:
        """Remove an entry; one that is gone already is no error."""
        self._known.pop(key, None)
        self.path(key).unlink(missing_ok=True)

    def _entry(self, name: str) -> Entry | None:
        if name in self._known:
            return self._known[name]
        try:
            with self._unreadable.noting(name):
                found = entry.read_entry(self.path(name), self._ring)
        except (OSError, KeyMissing, KeysUnusable):
            return None
        except Damaged:
            log.exception("an entry of the inbox is damaged", key=name)
            durable.move(self.path(name), self._damaged / name)
            return None
        return self._known.setdefault(name, found)


def is_key(name: str) -> bool:
    """Whether a file of this name is an entry."""
    return _KEY.fullmatch(name) is not None


def size_in(key: str) -> int:
    """The size that a name tells."""
    return int(key.split("-")[1])


def seconds_in(key: str) -> float:
    """When the entry came, in seconds since 1970."""
    return int(key.partition("-")[0]) / 1e9
