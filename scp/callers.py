"""Who called, in a file for each receiving process: associations opened and not opened, counted, never one by one.

The file stays small whatever strangers send: no more than MOST refusals a day are told apart, the rest is one line.
A refusal of a new kind is on the disk before this returns; how often it came again follows with the next `save`.
"""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import structlog

from config.private import write_private

log = structlog.get_logger()

MOST = 200
KEPT_DAYS = 7
_OTHERS = ("(others)", "(others)", "(others)", "OTHERS")
_Key = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Connections that were refused on one day: who asked, from where, and why not (of `Rejection` or `Unheard`)."""

    key: str
    calling: str
    called: str
    address: str
    why: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """The last association of one peer: `accepted` and `declined` are contexts in words."""

    ae_title: str
    at: datetime
    address: str
    secure: bool
    accepted: tuple[str, ...]
    declined: tuple[str, ...]


class Callers:
    """What one process has seen of its callers; safe from any thread."""

    def __init__(self, folder: Path, process: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{process}.callers"
        self._lock = threading.Lock()
        self._refused: dict[_Key, TurnedAway] = {}
        self._heard: dict[str, Heard] = {}
        self._unsaved = False
        with suppress(OSError, ValueError, TypeError, KeyError):
            refused, heard = _read(self._path)
            self._refused = {_key_of(one): one for one in refused}
            self._heard = {one.ae_title: one for one in heard}

    def turned_away(self, calling: str, called: str, address: str, why: str) -> None:
        """Count a refusal; one of a new kind is durable on return, unless the disk says no, which is logged."""
        moment = datetime.now(UTC)
        day = f"{moment:%Y-%m-%d}"
        with self._lock:
            self._forget_old(moment)
            key = (day, _printable(calling), _printable(called), address, why)
            if key not in self._refused and sum(each[0] == day for each in self._refused) >= MOST:
                key = (day, *_OTHERS)
            known = self._refused.get(key)
            self._refused[key] = (
                replace(known, count=known.count + 1, last_at=moment)
                if known
                else TurnedAway(uuid4().hex, *key[1:], 1, moment, moment)
            )
            self._unsaved = True
        if known is None:
            try:
                self.save()
            except OSError:
                log.exception("could not note a refused association")

    def heard(self, heard: Heard) -> None:
        """Remember the last association of a peer that we know."""
        with self._lock:
            self._heard[heard.ae_title] = heard
            self._unsaved = True

    def save(self) -> None:
        """Write what is new, durably; raise OSError if the disk says no."""
        with self._lock:
            if not self._unsaved:
                return
            content = {
                "refused": [asdict(one) for one in self._refused.values()],
                "heard": [asdict(one) for one in self._heard.values()],
            }
            write_private(self._path, json.loads(json.dumps(content, default=datetime.isoformat)))
            self._unsaved = False

    def _forget_old(self, moment: datetime) -> None:
        oldest = f"{moment - timedelta(days=KEPT_DAYS):%Y-%m-%d}"
        for key in [each for each in self._refused if each[0] < oldest]:
            del self._refused[key]


def read_callers(folder: Path) -> tuple[list[TurnedAway], list[Heard]]:
    """What all processes have written; of several that heard one peer, the last. A broken file says nothing."""
    refused: list[TurnedAway] = []
    heard: dict[str, Heard] = {}
    for path in sorted(folder.glob("*.callers")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            some, more = _read(path)
            refused += some
            for one in more:
                before = heard.get(one.ae_title)
                heard[one.ae_title] = one if before is None or before.at < one.at else before
    return refused, list(heard.values())


def _read(path: Path) -> tuple[list[TurnedAway], list[Heard]]:
    content = json.loads(path.read_bytes())
    refused = [
        TurnedAway(**row | {name: datetime.fromisoformat(row[name]) for name in ("first_at", "last_at")})
        for row in content["refused"]
    ]
    heard = [
        Heard(**row | {"at": datetime.fromisoformat(row["at"]), **_tuples(row, "accepted", "declined")})
        for row in content["heard"]
    ]
    return refused, heard


def _tuples(row: dict[str, Sequence[str]], *names: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(row[name]) for name in names}


def _key_of(one: TurnedAway) -> _Key:
    return f"{one.first_at:%Y-%m-%d}", one.calling, one.called, one.address, one.why


def _printable(ae_title: str) -> str:
    """What no AE title may hold is shown as a question mark, so that it does not look like the name without it."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in ae_title.strip(" ")[:16])
