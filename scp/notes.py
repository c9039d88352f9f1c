"""Durable notes of refused objects, sealed, until the gateway has shown them to a coordinator."""

import hashlib
import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import structlog

from config.keys import KeyMissing, KeyRing, KeysUnusable
from config.sealing import Damaged, Room, Sealed, Sealer, Subject
from scp.arrival import Refusal
from scp.durable import Unfinished, move

log = structlog.get_logger()

MAX_NOTES = 10_000


def subject_of_note(name: str) -> Subject:
    """What a note of this name is."""
    return Subject("refusal", name)


class RefusalNotes:
    """A folder with one note for each object and reason: a sender that repeats itself does not fill the disk."""

    def __init__(self, folder: Path, temporary: Path, damaged: Path, ring: KeyRing) -> None:
        self._folder, self._temporary, self._damaged, self._ring = folder, temporary, damaged, ring

    def add(self, refusal: Refusal) -> None:
        """Keep the note; raise OSError if the disk says no. Beyond MAX_NOTES nothing is added but a log line."""
        if sum(1 for _ in self._folder.iterdir()) >= MAX_NOTES:
            log.warning("too many refusals wait; one is not noted", sender=refusal.sender, reason=refusal.reason)
            return
        same = "\0".join((refusal.origin, refusal.sender, refusal.reason, refusal.study_uid, refusal.sop_uid))
        name = hashlib.sha256(same.encode()).hexdigest()[:40]
        text = json.dumps(asdict(refusal) | {"received_at": refusal.received_at.isoformat()})
        made = Unfinished(self._temporary / f"{name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            sealer = Sealer(made.descriptor, subject_of_note(name), Room())
            sealer.write(text.encode())
            sealer.finish(b"", self._ring)
            made.finish(self._folder / name)
        finally:
            made.drop()

    def oldest(self, limit: int) -> list[tuple[str, Refusal]]:
        """Return notes with their keys, oldest first; a damaged one is put away, one that no key opens is left out."""
        found = []
        for path in self._folder.iterdir():
            try:
                fields = json.loads(self._text(path))
                fields["received_at"] = datetime.fromisoformat(fields["received_at"])
                found.append((path.name, Refusal(**fields)))
            except FileNotFoundError:
                continue
            except (KeyMissing, KeysUnusable):
                log.exception("no key opens a note of a refusal", note=path.name)
            except (Damaged, ValueError, TypeError, KeyError):
                log.exception("a note of a refusal is damaged", note=path.name)
                move(path, self._damaged / path.name)
        return sorted(found, key=lambda note: note[1].received_at)[:limit]

    def _text(self, path: Path) -> bytes:
        with Sealed(path, self._ring, subject_of_note(path.name)) as sealed:
            return b"".join(sealed.pieces())

    def forget(self, key: str) -> None:
        """Remove a note; one that is gone already is no error."""
        (self._folder / key).unlink(missing_ok=True)
