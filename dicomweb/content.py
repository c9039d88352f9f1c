"""Bytes on their way out of the read cache: what is small is read at once, what is large while it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from orthanc.bulk import Piece
from orthanc.cached import CachedInstance

Plan = list[bytes | Piece]
"""A body: what we write ourselves, and pieces of one cached file, in their order."""

AT_ONCE: Final = 16 * 1024 * 1024


def size_of(plan: Plan) -> int:
    """Bytes in all."""
    return sum(len(part) if isinstance(part, bytes) else part[1] for part in plan)


def read_plan(cached: CachedInstance, plan: Plan) -> Iterable[bytes]:
    """Return the body, its pieces never joined; an evicted instance stays readable while somebody holds it."""
    if size_of(plan) > AT_ONCE:
        return _stream(cached, plan)
    pieces = iter(cached.read([part for part in plan if not isinstance(part, bytes)]))
    return [part if isinstance(part, bytes) else next(pieces) for part in plan]


def _stream(cached: CachedInstance, plan: Plan) -> Iterator[bytes]:
    for part in plan:
        if isinstance(part, bytes):
            yield part
        else:
            yield from cached.stream([part])
