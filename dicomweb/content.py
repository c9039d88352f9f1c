"""Bytes on their way out of the read cache: what is small is read at once, what is large while it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from dicomweb.multipart import begun
from orthanc.bulk import Piece
from orthanc.cached import CachedInstance

Plan = list[bytes | Piece]
"""A body: what we write ourselves, and pieces of one cached file, in their order."""

AT_ONCE: Final = 16 * 1024 * 1024


def size_of(plan: Plan) -> int:
    """Bytes in all."""
    return sum(len(part) if isinstance(part, bytes) else part[1] for part in plan)


def part_of(plan: Plan, start: int, stop: int) -> Plan:
    """The bytes of a body from `start` on, up to `stop`."""
    part: Plan = []
    at = 0
    for one in plan:
        length = len(one) if isinstance(one, bytes) else one[1]
        begin, end = max(start - at, 0), min(stop - at, length)
        if begin < end:
            part.append(one[begin:end] if isinstance(one, bytes) else (one[0] + begin, end - begin))
        at += length
    return part


def read_plan(cached: CachedInstance, plan: Plan) -> Iterable[bytes]:
    """Return the body, its pieces never joined; an evicted instance stays readable while somebody holds it."""
    if size_of(plan) > AT_ONCE:
        return begun(_stream(cached, plan))
    pieces = iter(cached.read([part for part in plan if not isinstance(part, bytes)]))
    return [part if isinstance(part, bytes) else next(pieces) for part in plan]


def _stream(cached: CachedInstance, plan: Plan) -> Iterator[bytes]:
    for part in plan:
        if isinstance(part, bytes):
            yield part
        else:
            yield from cached.stream([part])
