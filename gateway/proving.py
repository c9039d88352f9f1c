"""The look after storing: the archive's digest is read back, and the object put into the read cache.

It waits until nothing waits for the archive: an object is safe first and fast to show second. What was not
looked at before a kill, or cannot be read any more, is asked for by `gateway.grace`, and fetched from the archive when
it is needed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from config.keys import KeyMissing, KeysUnusable
from gateway.grace import Fresh, Grace, Proof
from gateway.proof import says_so
from orthanc.archive import Archive
from orthanc.cache import ReadCache
from orthanc.errors import Unreadable
from scp.entry import WHOLE
from scp.inbox import Damaged, Inbox, Stored

log = structlog.get_logger()
BATCH = 32


@dataclass(slots=True)
class Proving:
    """Looks at what was just stored, the oldest first. `lost`: how much of it was never there."""

    inbox: Inbox
    archive: Archive
    cache: ReadCache
    grace: Grace
    pool: ThreadPoolExecutor
    lost: int = field(init=False, default=0)
    _uncached: bool = field(init=False, default=False)

    def step(self) -> bool:
        """Look at a few; True if there may be more. Raises ArchiveUnavailable: whatever is held is asked for then."""
        fresh = self.grace.fresh(BATCH)
        found = list(self.pool.map(self._is_there, fresh))
        lost = [one.entry for one, there in zip(fresh, found, strict=True) if not there]
        self.grace.lost(lost)
        self.lost += len(lost)
        return bool(fresh)

    def _is_there(self, one: Fresh) -> bool:
        try:
            stored = self.inbox.read(one.entry)
            proof = Proof(one.archive_id, stored.md5, stored.sha256)
        except (Damaged, OSError, KeyMissing, KeysUnusable):
            return True  # it was let go before its turn came; or its grace asks the archive for what its row says
        if not says_so(self.archive, proof.archive_id, proof.md5) and not proof.holds_in(self.archive):
            return False
        self.grace.proven(one.entry, proof)
        self._keep_ready(stored)
        return True

    def _keep_ready(self, stored: Stored) -> None:
        """Put it into the read cache. A cache that takes nothing costs speed, never an image.

        A large object comes there out of the archive, which needs no memory for the whole of it.
        """
        try:
            if stored.size <= WHOLE:
                self.cache.put(stored.sha256, stored.part10)
            self._uncached = False
        except (OSError, Unreadable) as error:
            if not self._uncached:
                log.warning("the read cache takes nothing", error=f"{type(error).__name__}: {error}")
            self._uncached = True
