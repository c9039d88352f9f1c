"""Work that several threads do ahead, handed on in the order in which it came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Ahead(Generic[T, U]):
    """One station: at most `most` pieces, and no more than `most_bytes` unless one alone is larger, are under way."""

    pool: Executor
    work: Callable[[T], U]
    size: Callable[[T], int]
    most: int
    most_bytes: int

    def of(self, items: Iterable[T]) -> Generator[U]:
        """Yield what comes of each item. Nothing is under way any more when the iterator was closed."""
        under_way: deque[tuple[Future[U], int]] = deque()
        weight = 0
        try:
            for item in items:
                size = self.size(item)
                while under_way and (len(under_way) >= self.most or weight + size > self.most_bytes):
                    weight -= under_way[0][1]
                    yield under_way.popleft()[0].result()
                under_way.append((self.pool.submit(self.work, item), size))
                weight += size
            while under_way:
                yield under_way.popleft()[0].result()
        finally:
            for future, _ in under_way:
                future.cancel()
            wait([future for future, _ in under_way])
