"""What is missing at the ends of a series shows beside another one that was made of the same acquisition.

Two reconstructions of one acquisition that begin at the same slice and go on in the same steps mostly end at the same
slice. Where one ends a few slices sooner it is said softly: a shorter one may have been wanted. Whatever differs in
its beginning, its steps or its acquisition is another examination, and tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from statistics import median
from typing import Final

from worklist.completeness import Kind, Remark, Slice, along, direction
from worklist.numbering import alike, numbering

FEWEST: Final = 10
"""A series of fewer slices may be anything."""
LARGEST_SHARE: Final = 0.1
"""More than this share of the longer one at one end: a shorter range was wanted."""
OFF_GRID: Final = 0.1
"""Slices of one place lie no further apart than this share of their distance."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One whole stack in the order of its numbers; `places` in mm along its normal."""

    series_uid: str
    slices: tuple[Slice, ...]
    places: tuple[float, ...]
    step: float

    @property
    def what(self) -> tuple[object, ...]:
        """Equal for runs that may be compared."""
        return self.slices[0].frame, direction(self.slices[0]), self.step > 0

    def last_beside(self, other: _Run) -> bool:
        """Whether both end at the same slice of one acquisition."""
        near = abs(self.places[-1] - other.places[-1]) <= OFF_GRID * abs(self.step)
        return near and _same_acquisition(self.slices[-1], other.slices[-1])

    def first_beside(self, other: _Run) -> bool:
        """Whether both begin at the same slice of one acquisition, with the same number."""
        near = abs(self.places[0] - other.places[0]) <= OFF_GRID * abs(self.step)
        same_number = self.slices[0].number == other.slices[0].number
        return near and same_number and _same_acquisition(self.slices[0], other.slices[0])


def ends_missing(series: Mapping[str, Sequence[Slice]]) -> list[Remark]:
    """Say which series of a study end or begin a few slices sooner than another of the same acquisition."""
    runs = [run for uid, slices in series.items() if (run := _run(uid, slices))]
    found: dict[str, Remark] = {}
    for short, longer in permutations(runs, 2):
        if short.what == longer.what and alike(abs(short.step), abs(longer.step)):
            for one in _beside(short, longer):
                found[one.series_uid] = max(one, found.get(one.series_uid, one), key=lambda each: each.count)
    return list(found.values())


def _beside(short: _Run, longer: _Run) -> Iterator[Remark]:
    more = len(longer.slices) - len(short.slices)
    if not 0 < more <= LARGEST_SHARE * len(longer.slices):
        return
    if short.first_beside(longer):
        yield Remark(Kind.ENDS, more, short.series_uid, reason="end", of=len(longer.slices))
    elif short.last_beside(longer) and short.slices[-1].number == longer.slices[-1].number:
        yield Remark(Kind.ENDS, more, short.series_uid, reason="beginning", of=len(longer.slices))


def _run(series_uid: str, slices: Sequence[Slice]) -> _Run | None:
    """The slices as a run, if they are one: numbered one by one along their normal, evenly, in one frame."""
    numbered = sorted((one for one in slices if one.number is not None), key=lambda one: one.number or 0)
    frames = {(one.frame, direction(one), one.acquisition) for one in slices}
    if len(numbered) < max(FEWEST, len(slices)) or len(frames) != 1 or not slices[0].frame or not slices[0].normal:
        return None
    normal = slices[0].normal
    places = tuple(along(one, normal) for one in numbered)
    steps = [upper - lower for lower, upper in pairwise(places)]
    step = median(steps)
    even = bool(step) and all(alike(each * (1 if step > 0 else -1), abs(step)) for each in steps)
    read = numbering([one.number for one in numbered], [abs(each) for each in steps])
    one_by_one = (
        read is not None
        and read.step == 1
        and (numbered[-1].number or 0) - (numbered[0].number or 0) == len(numbered) - 1
    )
    return _Run(series_uid, tuple(numbered), places, step) if even and one_by_one else None


def _same_acquisition(one: Slice, other: Slice) -> bool:
    return bool(one.taken) and one.taken == other.taken
