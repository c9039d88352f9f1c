"""Several threads work ahead, and what comes of it keeps its order."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from gateway.pipeline import Ahead


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as made:
        yield made


def test_what_comes_out_is_in_the_order_of_what_went_in(pool) -> None:
    first_may_end = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            first_may_end.wait(20)
        if number == 3:
            first_may_end.set()
        return number

    assert list(Ahead(pool, work, lambda _: 1, 8, 100).of(range(20))) == list(range(20))


@pytest.mark.parametrize(("most", "most_bytes", "size", "at_once"), [(3, 1000, 1, 3), (9, 10, 4, 2), (9, 10, 99, 1)])
def test_no_more_is_under_way_than_fits(pool, most: int, most_bytes: int, size: int, at_once: int) -> None:
    drawn = []
    ahead = Ahead(pool, lambda number: number, lambda _: size, most, most_bytes)
    for number in ahead.of(drawn.append(each) or each for each in range(30)):
        assert len(drawn) - number <= at_once + 1, "one more was drawn, and waits for its turn"


def test_nothing_is_under_way_any_more_when_somebody_stops_listening(pool) -> None:
    begun, ended = [], []

    def work(number: int) -> int:
        begun.append(number)
        threading.Event().wait(0.05)
        ended.append(number)
        return number

    with closing(Ahead(pool, work, lambda _: 1, 8, 100).of(range(30))) as outcomes:
        assert next(outcomes) == 0
    assert sorted(begun) == sorted(ended)
    assert len(ended) < 30


def test_what_work_raises_is_raised_in_its_place(pool) -> None:
    outcomes = Ahead(pool, lambda number: 1 // (2 - number), lambda _: 1, 8, 100).of(range(5))
    assert [next(outcomes), next(outcomes)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(outcomes)
