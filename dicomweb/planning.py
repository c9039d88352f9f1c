"""Where the database begins with a search. The results are the same; the time is not, among very many studies."""

from __future__ import annotations

import time
from enum import Enum
from typing import Final

from sqlalchemy import Connection, func, select

from worklist.access import Sight, Viewer, sees_case
from worklist.models import Case

FEW: Final = 5_000
"""Cases; a list of them costs some milliseconds."""

REMEMBERED: Final = 60.0


class Way(Enum):
    """Where it begins."""

    NAMED = "with the UIDs that the search names"
    LISTED = "with the list of what the person sees, who sees little of all there is"
    ORDERED = "with the studies in the order of the answer, until a page of them is in sight"


class Crowds:
    """Remembers for a while whose cases are few. Safe for threads."""

    def __init__(self) -> None:
        self._few: dict[Viewer, tuple[float, bool]] = {}

    def way(self, connection: Connection, sight: Sight, *, named: bool) -> Way:
        """Choose the way of a search, which names UIDs or does not."""
        if named or sight.case_id is not None:
            return Way.NAMED
        few = not sight.viewer.oversees and self._sees_few(connection, sight.viewer)
        return Way.LISTED if few else Way.ORDERED

    def _sees_few(self, connection: Connection, viewer: Viewer) -> bool:
        until, few = self._few.get(viewer, (0.0, False))
        if time.monotonic() > until:
            few = _count(connection, viewer) <= FEW
            if len(self._few) > FEW:
                self._few.clear()
            self._few[viewer] = (time.monotonic() + REMEMBERED, few)
        return few


def _count(connection: Connection, viewer: Viewer) -> int:
    cases = select(Case.id).where(sees_case(viewer)).limit(FEW + 1)
    return connection.scalar(select(func.count()).select_from(cases.subquery())) or 0
