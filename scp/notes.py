"""Durable notes of refused objects, until the gateway has shown them to a coordinator."""

import hashlib
import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import structlog

from scp import durable
from scp.arrival import Refusal

log = structlog.get_logger()

MAX_NOTES = 10_000


class RefusalNotes:
    """A folder with one note for each object and reason: a sender that repeats itself does not fill the disk."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self._folder, self._temporary = folder, temporary

    def add(self, refusal: Refusal) -> None:
        """Keep the note; raise OSError if the disk says no. Beyond MAX_NOTES nothing is added but a log line."""
        if sum(1 for _ in self._folder.iterdir()) >= MAX_NOTES:
            log.warning("too many refusals wait; one is not noted", sender=refusal.sender, reason=refusal.reason)
            return
        same = "\0".join((refusal.origin, refusal.sender, refusal.reason, refusal.study_uid, refusal.sop_uid))
        name = hashlib.sha256(same.encode()).hexdigest()[:40]
        text = json.dumps(asdict(refusal) | {"received_at": refusal.received_at.isoformat()})
        temporary = self._temporary / f"{name}.{os.getpid()}.{os.urandom(4).hex()}"
        durable.create(temporary, self._folder / name, [text.encode()])

    def oldest(self, limit: int) -> list[tuple[str, Refusal]]:
        """Return notes with their keys, oldest first; what cannot be read is logged and left out."""
        found = []
        for path in self._folder.iterdir():
            try:
                fields = json.loads(path.read_bytes())
                fields["received_at"] = datetime.fromisoformat(fields["received_at"])
                found.append((path.name, Refusal(**fields)))
            except FileNotFoundError:
                continue
            except (ValueError, TypeError, KeyError):
                log.exception("a note of a refusal is damaged", note=path.name)
        return sorted(found, key=lambda note: note[1].received_at)[:limit]

    def forget(self, key: str) -> None:
        """Remove a note; one that is gone already is no error."""
        (self._folder / key).unlink(missing_ok=True)
