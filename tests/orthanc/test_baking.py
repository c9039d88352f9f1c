"""The metadata of a series, read again without having all of them in memory."""

from __future__ import annotations

import gzip
import tracemalloc

import orjson

from orthanc.baking import one_by_one


def test_the_metadata_of_a_large_series_are_read_one_by_one() -> None:
    """A thousand images were 100 MB for each of those who searched at the same time."""
    image = {f"0040{number:04X}": {"vr": "LO", "Value": [f"M\u00fcller, [1] {{2}} {number}"]} for number in range(90)}
    every = [image | {"00080018": {"vr": "UI", "Value": [f"1.2.{number}"]}} for number in range(1_000)]
    text = orjson.dumps(every)
    baked = gzip.compress(text)
    tracemalloc.start()
    assert sum(one == other for one, other in zip(one_by_one(baked), every, strict=True)) == 1_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(text)


def test_of_no_image_there_is_nothing() -> None:
    assert list(one_by_one(gzip.compress(b"[]"))) == []
