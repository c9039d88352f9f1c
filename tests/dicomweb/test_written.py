"""Results are written once for each version of a study and each form, and what is remembered of them has an end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dicomweb.searching import Hit
from dicomweb.written import WrittenResults


class Writer:
    """Writes results, and remembers which."""

    def __init__(self, size: int = 8) -> None:
        self.size = size
        self.written: list[Hit] = []

    def __call__(self, hits: Sequence[Hit]) -> Iterable[tuple[Hit, bytes]]:
        for hit in hits:
            self.written.append(hit)
            yield hit, f"{hit.study}.{hit.version}".encode().ljust(self.size)


def test_a_result_is_written_once_for_each_version_and_shape() -> None:
    remembered, write = WrittenResults(), Writer()
    page = [Hit(1, 1, False), Hit(2, 1, False), Hit(1, 1, False, 7)]
    first = remembered.results("json", page, write)
    assert remembered.results("json", page[::-1], write) == first[::-1]
    assert write.written == page
    assert remembered.results("json", [Hit(1, 2, False)], write) == [b"1.2".ljust(8)]
    assert remembered.results("xml", page[:1], write) == first[:1]
    assert write.written == [*page, Hit(1, 2, False), Hit(1, 1, False)]


def test_what_is_used_stays_and_the_rest_goes() -> None:
    remembered, write = WrittenResults(most_bytes=8_000), Writer(size=100)
    used = [Hit(0, 1, False)]
    for number in range(1, 1_000):
        remembered.results("json", [*used, Hit(number, 1, False)], write)
    assert write.written.count(used[0]) == 1
    remembered.results("json", [Hit(1, 1, False)], write)
    assert write.written.count(Hit(1, 1, False)) == 2


def test_a_page_that_is_larger_than_all_is_answered_whole() -> None:
    remembered, write = WrittenResults(most_bytes=1_000), Writer(size=100)
    page = [Hit(number, 1, False) for number in range(50)]
    for _ in range(2):
        assert [one.split()[0] for one in remembered.results("json", page, write)] == [
            f"{number}.1".encode() for number in range(50)
        ]


def test_many_forms_of_one_result_are_not_all_remembered() -> None:
    """A form weighs more than a short result: three hundred were counted as 270 kB and took 243 MB."""
    remembered, write = WrittenResults(most_bytes=1_000_000), Writer()
    for form in range(1_000):
        remembered.results(f"form {form}", [Hit(1, 1, False)], write)
    remembered.results("form 0", [Hit(1, 1, False)], write)
    assert len(write.written) == 1_001
