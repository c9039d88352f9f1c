"""What the receiving processes have counted, in files, so that the web application can show all of them."""

import json
import threading
from collections import Counter
from enum import StrEnum
from pathlib import Path


class Count(StrEnum):
    """What is counted; all only grow."""

    ASSOCIATIONS = "associations"
    REJECTED_CONTEXT = "rejected_application_context"
    REJECTED_CALLING = "rejected_calling_ae"
    REJECTED_CALLED = "rejected_called_ae"
    REJECTED_FULL = "rejected_full"
    UNHEARD = "ended_before_any_request"
    ECHOES = "echoes"
    QUERIES = "queries"
    INSTANCES = "instances"
    BYTES = "bytes"
    REFUSED = "refused"
    FAILED = "failed"


class Counters:
    """The counts of one process, which goes on where its namesake of before a restart left off."""

    def __init__(self, folder: Path, process: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{process}.json"
        self._lock = threading.Lock()
        self._counts = _read(self._path)

    def add(self, what: Count, more: int = 1) -> None:
        """Count something; safe from any thread."""
        with self._lock:
            self._counts[what] += more

    def count(self, what: Count) -> int:
        """How often that was."""
        with self._lock:
            return self._counts[what]

    def save(self) -> None:
        """Write the counts, all or nothing; not durable, since they are not worth an fsync."""
        with self._lock:
            text = json.dumps(self._counts)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(text)
        temporary.replace(self._path)


def totals(folder: Path) -> dict[Count, int]:
    """Add up what all processes have saved; every Count is there."""
    together: Counter[str] = Counter()
    for path in folder.glob("*.json"):
        together.update(_read(path))
    return {what: together[what] for what in Count}


def _read(path: Path) -> Counter[str]:
    try:
        found = json.loads(path.read_text())
        return Counter({what: int(found.get(what, 0)) for what in Count})
    except (OSError, ValueError, AttributeError):
        return Counter()
