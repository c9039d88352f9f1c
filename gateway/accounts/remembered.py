"""What was found out about whoever asks, until anything is committed to the database; at most a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import flask

from config.database import Database

SECONDS = 1.0  # bounds what changes with time alone: a session, a token or a link that expires
MOST = 10_000

Found = TypeVar("Found")


@dataclass(slots=True)
class Remembered(Generic[Found]):
    """Findings by what they are about; a right that was taken away is gone with the next request, whoever took it."""

    database: Database
    _known: dict[str, tuple[object, float, Found]] = field(default_factory=dict)

    def get(self, key: str, find: Callable[[], Found]) -> Found:
        """Return what `find` finds, or found while nobody committed anything."""
        revision = self._revision()
        seen, until, found = self._known.get(key, (None, 0.0, None))
        if revision == seen and time.monotonic() < until:
            return found  # type: ignore[return-value]  # only what was never found is None here
        if len(self._known) > MOST:
            self._known.clear()
        fresh = find()
        self._known[key] = (revision, time.monotonic() + SECONDS, fresh)
        return fresh

    def forget(self) -> None:
        """Find out again from now on."""
        self._known.clear()

    def _revision(self) -> object:
        """That of the database when the current request first asked who it is from."""
        if "overread_revision" not in flask.g:
            flask.g.overread_revision = self.database.revision()
        return flask.g.overread_revision
