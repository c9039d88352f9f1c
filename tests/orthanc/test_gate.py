"""The way of readers to the archive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from orthanc.gate import Gate

VIEWERS, CONNECTIONS = 6, 6


def test_six_viewers_may_wait_for_the_archive_at_once(wait_for: Callable[..., None]) -> None:
    """Each asks over six connections. Of more than twenty some were told that too many wait."""
    gate, may_go, count = Gate(), threading.Event(), VIEWERS * CONNECTIONS

    def ask() -> bool:
        with gate.one():
            return may_go.wait(30)

    with ThreadPoolExecutor(count) as pool:
        asking = [pool.submit(ask) for _ in range(count)]
        wait_for(lambda: gate._inside == count or any(one.done() for one in asking))
        may_go.set()
        assert all(one.result() for one in asking)
