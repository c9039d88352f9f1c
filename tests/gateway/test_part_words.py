"""A coordinator reads what a part does, not what it is called in the code."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.portal.part_words import DOES, part_in_words
from gateway.worker import _loops

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


def test_every_part_of_the_worker_says_what_it_does(web: Any) -> None:
    names = [loop.name for loop in _loops(web.parts)]
    assert {name.partition(" ")[0] for name in names} == set(DOES)
    assert part_in_words("worker: deliver 2") == "Delivers reports (2)"
    assert part_in_words("worker: ingest") == "Puts what was received into the archive"
    assert part_in_words("something new") == "Something new"
