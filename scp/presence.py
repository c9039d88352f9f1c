"""Which studies are just being sent: the receivers say so in files, and whoever waits for a study looks there.

One file for each receiving process, written every few seconds: {"at": 1764090000.0, "open": [["site:3", "1.2.3"]]}.
A file that was not written for a while is of a process that died, and counts for nothing.
"""

import json
import threading
import time
from collections.abc import Hashable
from pathlib import Path
from typing import Final

SUFFIX: Final = ".open"
STALE_SECONDS: Final = 15.0
MOST_STUDIES: Final = 16
"""Of one association: a sender that keeps one open for everything has finished what it sent before."""

Sent = tuple[str, str]
"""Origin and Study Instance UID."""


class Presence:
    """What each open association of one process has been sending. Safe for threads."""

    def __init__(self, folder: Path, process: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{process}{SUFFIX}"
        self._lock = threading.Lock()
        self._open: dict[Hashable, dict[Sent, int]] = {}

    def stored(self, association: Hashable, origin: str, study_uid: str) -> None:
        """Note that an instance of this study came on the association."""
        with self._lock:
            sent = self._open.setdefault(association, {})
            sent[origin, study_uid] = sent.pop((origin, study_uid), 0) + 1
            if len(sent) > MOST_STUDIES:
                del sent[next(iter(sent))]

    def closed(self, association: Hashable) -> dict[Sent, int]:
        """Forget an association; return how many images of each study it had brought, the last study at the end."""
        with self._lock:
            return self._open.pop(association, {})

    def save(self) -> None:
        """Say it to other processes; raises OSError if the disk does."""
        with self._lock:
            sent = sorted({each for studies in self._open.values() for each in studies})
        temporary = self._path.with_suffix(".open-tmp")
        temporary.write_text(json.dumps({"at": time.time(), "open": sent}))
        temporary.replace(self._path)


def being_sent(folder: Path) -> set[Sent]:
    """Return the studies on associations that are open now."""
    found: set[Sent] = set()
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            said = json.loads(path.read_text())
            if abs(time.time() - float(said["at"])) < STALE_SECONDS:
                found |= {(str(origin), str(uid)) for origin, uid in said["open"]}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
