"""What becomes of one inbox entry on its way into the archive."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.identity import SELF_TEST
from orthanc.header import InstanceHeader
from scp.arrival import Arrival
from scp.inbox import Entry, Stored


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one entry that was read: its header, and the SHA-256 of its dataset."""

    entry: Entry
    header: InstanceHeader
    sha256: str

    @property
    def arrival(self) -> Arrival:
        """What the receiver knew of it."""
        return self.entry.arrival

    @property
    def self_test(self) -> bool:
        """Whether `overread doctor` sent it: it leaves no row, and is removed again."""
        return self.arrival.origin == SELF_TEST


@dataclass(frozen=True, slots=True)
class Taken:
    """One inbox entry, read and understood, with its content; let go of it soon."""

    facts: Facts
    stored: Stored


@dataclass(frozen=True, slots=True)
class Archived:
    """One instance that the archive has, under its own identifier there."""

    facts: Facts
    archive_id: str
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """One entry that must not be archived as it is; a person decides.

    `header` and `sha256` where it could be read; `contradicts`: how it differs from its study's patient ("another
    name").
    """

    entry: Entry
    reason: str
    header: InstanceHeader | None = None
    contradicts: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Repeated:
    """One entry that is kept aside already, from the same sender: a person decides of that."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Skipped:
    """One entry that our own disk or the archive does not take just now; it is tried again later."""

    entry: Entry
