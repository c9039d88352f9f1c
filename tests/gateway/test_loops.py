"""A worker's loops go on whatever a step raises, and say so in /health."""

from __future__ import annotations

import threading

from gateway.loops import Loop, in_plain_words
from orthanc.errors import ArchiveUnavailable


def test_no_step_that_fails_ends_its_loop() -> None:
    tried, stop = [], threading.Event()

    def step() -> bool:
        tried.append(1)
        if len(tried) == 3:
            assert (loop.ok, loop.detail) == (False, in_plain_words(ArchiveUnavailable()))
            stop.set()
            return False
        raise ArchiveUnavailable("The archive does not answer.")

    loop = Loop("ingest", step, 0.01)
    loop.run(stop)
    assert len(tried) == 3
    assert (loop.ok, loop.detail) == (True, "")
