"""Entries that our own disk does not give (EACCES, EIO) or no key of ours opens: left alone for a while, so that they
hold nobody up.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator

import structlog

from config.errors import Explained

log = structlog.get_logger()

AGAIN_SECONDS = 10.0


class Unreadable:
    """What one process could not read, and when it may try again. Safe for threads."""

    def __init__(self) -> None:
        self._again_at: dict[str, float] = {}
        self._why: dict[str, str] = {}

    @contextlib.contextmanager
    def noting(self, key: str) -> Iterator[None]:
        """Read an entry in this block: an OSError, or what the keys say (Explained), is noted and goes on, unless the
        entry is simply gone.
        """
        try:
            yield
        except FileNotFoundError:
            self._again_at.pop(key, None)
            raise
        except (OSError, Explained) as error:
            if key not in self._again_at:
                log.exception("an entry of the inbox cannot be read", key=key, error=str(error))
            self._why[key] = str(error) if isinstance(error, Explained) else ""
            self._again_at[key] = time.monotonic() + AGAIN_SECONDS
            raise
        self._again_at.pop(key, None)

    def reasons(self) -> dict[str, str]:
        """Everything that could not be read when it was last tried, and what to do about it: "" is a disk's fault."""
        return {key: self._why[key] for key in sorted(self._again_at)}

    def without(self, keys: Iterable[str]) -> list[str]:
        """Those that can be read, as far as is known."""
        return [key for key in keys if key not in self._again_at]

    def without_fresh(self, keys: Iterable[str]) -> list[str]:
        """Those that are worth a try now."""
        now = time.monotonic()
        return [key for key in keys if self._again_at.get(key, 0.0) <= now]
