"""How associations that brought images ended, in a file for each receiving process: cut, or released in peace.

A cut is on the disk before this returns. What was released is remembered for as long as somebody may ask whether a
transfer that was cut has been made good.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog

from config.private import write_private
from scp.presence import Sent

log = structlog.get_logger()

SUFFIX: Final = ".endings"
MOST: Final = 200
"""Of each kind; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An association that ended without a release while a study came; `images` of it had been stored on it.

    `in_image`: it ended in the middle of one.
    """

    key: str
    origin: str
    sender: str
    study_uid: str
    images: int
    in_image: bool
    at: datetime


class Endings:
    """What one process has seen; safe from any thread."""

    def __init__(self, folder: Path, process: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{process}{SUFFIX}"
        self._lock = threading.Lock()
        self._unsaved = False
        self._cuts, released = _read(self._path)
        self._released = OrderedDict(released)

    def cut(self, sent: Sent, sender: str, images: int, *, in_image: bool) -> None:
        """Take down a cut; it is durable on return, unless the disk says no, which is logged."""
        with self._lock:
            self._cuts = [
                *self._cuts[-MOST + 1 :],
                Cut(uuid4().hex, sent[0], sender, sent[1], images, in_image, datetime.now(UTC)),
            ]
            self._unsaved = True
        try:
            self.save()
        except OSError:
            log.exception("could not note that an association was cut")

    def released(self, studies: Iterable[Sent]) -> None:
        """Remember that a transfer of these studies was brought to its end."""
        with self._lock:
            for sent in studies:
                self._released[sent] = datetime.now(UTC)
                self._released.move_to_end(sent)
                self._unsaved = True
            while len(self._released) > MOST:
                self._released.popitem(last=False)

    def save(self) -> None:
        """Write what is new, durably; raise OSError if the disk says no."""
        with self._lock:
            if not self._unsaved:
                return
            content = {
                "cut": [asdict(one) for one in self._cuts],
                "released": [[*sent, at] for sent, at in self._released.items()],
            }
            write_private(self._path, json.loads(json.dumps(content, default=datetime.isoformat)))
            self._unsaved = False


def read_endings(folder: Path) -> tuple[list[Cut], dict[Sent, datetime]]:
    """The cuts of all processes, and when a transfer of a study was last released. A broken file says nothing."""
    cuts: list[Cut] = []
    last: dict[Sent, datetime] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        some, released = _read(path)
        cuts += some
        for sent, at in released.items():
            last[sent] = max(at, last.get(sent, at))
    return cuts, last


def _read(path: Path) -> tuple[list[Cut], dict[Sent, datetime]]:
    with suppress(OSError, ValueError, TypeError, KeyError):
        content: dict[str, Any] = json.loads(path.read_bytes())
        cuts = [Cut(**row | {"at": datetime.fromisoformat(row["at"])}) for row in content["cut"]]
        return cuts, {(origin, uid): datetime.fromisoformat(at) for origin, uid, at in content["released"]}
    return [], {}
