"""Storage commitment transactions on disk: between the receiver, which needs no database, and the worker.

    asked/      requests that no worker has taken yet        known/  one for each that was: empty until it is judged
    reported/   reports that a peer took on the association on which it had asked
    damaged/    requests that cannot be read

A key is made of digests: whose transaction it is, then what it asks for. Nothing of what a peer sent is part of a name.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from config.sealing import write_all
from scp import durable
from scp.commitment import CommitmentRequest, FailureReason, Judgement, Reference, Refused, RequestRefused

log = structlog.get_logger()

MOST_ASKED = 10_000
"""Requests that may wait for a worker: beyond, a sender has to ask again later."""
_WHOSE = 32


class Transactions:
    """A folder of transactions; any number of processes may use it. Methods raise OSError where the disk does."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self._asked, self._known, self._reported = folder / "asked", folder / "known", folder / "reported"
        self._damaged, self._temporary = folder / "damaged", temporary
        for path in (self._asked, self._known, self._reported, self._damaged):
            path.mkdir(parents=True, exist_ok=True)

    def ask(self, request: CommitmentRequest) -> str:
        """Keep a request, durable on return, and return its key; raise RequestRefused.

        The same transaction with the same references may be asked for again, and is judged afresh then.
        """
        key = key_of(request)
        asked = os.listdir(self._asked)  # noqa: PTH208 - names alone, often
        if len(asked) >= MOST_ASKED:
            raise RequestRefused(Refused.RESOURCE_LIMITATION)
        others = (name for name in (*asked, *os.listdir(self._known)) if name != key)  # noqa: PTH208
        if any(name.startswith(key[:_WHOSE]) for name in others):
            raise RequestRefused(Refused.DUPLICATE_TRANSACTION)
        self._write(self._asked / key, _as_json(request))
        return key

    def asked(self) -> Iterator[tuple[str, CommitmentRequest]]:
        """Yield the requests that nobody has taken yet, in no order; what cannot be read is set aside."""
        for path in self._asked.iterdir():
            try:
                yield path.name, _from_json(path.read_bytes())
            except FileNotFoundError:
                continue
            except (ValueError, TypeError, KeyError):
                log.exception("a storage commitment request is damaged", key=path.name)
                durable.move(path, self._damaged / path.name)

    def taken(self, key: str) -> None:
        """Remember a request that has become a row, and no longer wait for somebody to take it; may be repeated."""
        self._write(self._known / key, b"")
        (self._asked / key).unlink(missing_ok=True)

    def judged(self, key: str, judgement: Judgement) -> None:
        """Let the receiver know what to report, should the peer still be there."""
        failed = {reference.sop_uid: int(reason) for reference, reason in judgement.failed}
        self._write(self._known / key, json.dumps(failed).encode())

    def judgement(self, key: str, request: CommitmentRequest) -> Judgement | None:
        """Return the judgement of a transaction, or None as long as there is none."""
        try:
            written = (self._known / key).read_bytes()
        except FileNotFoundError:
            return None
        if not written or (self._asked / key).exists():
            return None
        failed: dict[str, int] = json.loads(written)
        return Judgement(
            request.transaction_uid,
            tuple(each for each in request.references if each.sop_uid not in failed),
            tuple((each, FailureReason(failed[each.sop_uid])) for each in request.references if each.sop_uid in failed),
        )

    def report(self, key: str) -> None:
        """Note that the peer took the report."""
        self._write(self._reported / key, b"")

    def reported(self) -> list[str]:
        """Return the keys of what was noted as reported."""
        return os.listdir(self._reported)  # noqa: PTH208

    def forget_report(self, key: str) -> None:
        """Remove that note; repeating it is no error."""
        (self._reported / key).unlink(missing_ok=True)

    def forget_old(self, age: timedelta) -> None:
        """Let the Transaction UIDs of long ago be free again."""
        oldest = time.time() - age.total_seconds()
        for path in self._known.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _write(self, path: Path, content: bytes) -> None:
        made = durable.Unfinished(self._temporary / f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            write_all(made.descriptor, [content], 0)
            made.finish(path)
        finally:
            made.drop()


def key_of(request: CommitmentRequest) -> str:
    """Whose transaction, then what it asks for: 64 characters, the first half alone says whether a UID is in use."""
    whose = "\0".join((request.origin, request.sender, request.transaction_uid))
    asks = "\0".join(sorted(f"{each.sop_class_uid} {each.sop_uid}" for each in request.references))
    return _digest(whose) + _digest(asks)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_WHOSE]


def _as_json(request: CommitmentRequest) -> bytes:
    return json.dumps(asdict(request) | {"received_at": request.received_at.isoformat()}).encode()


def _from_json(text: bytes) -> CommitmentRequest:
    fields = json.loads(text)
    fields["received_at"] = datetime.fromisoformat(fields["received_at"])
    fields["references"] = tuple(Reference(**each) for each in fields["references"])
    return CommitmentRequest(**fields)
