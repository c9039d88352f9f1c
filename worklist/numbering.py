"""Holes in the numbers of a stack whose places agree with them: how many slices are missing, however many they are.

Distances alone show a hole only while most of them are alike. Where the distance of two slices follows from their
numbers all through a stack, the numbers tell each hole, be it one slice or every second one.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from statistics import median
from typing import Final

REGULAR: Final = 0.8
"""The share of distances that must be alike for a stack to be one."""
ALIKE_MM: Final = 0.02
ALIKE_SHARE: Final = 0.05
LARGEST_LOSS: Final = 5
"""More missing than so many times what came: images that somebody chose."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Slices that are missing between the images numbered `first` and `last`, the lower number first."""

    missing: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Numbering:
    """The numbers of slices along their normal; whole, they would differ by `step`, and lie `spacing` mm apart.

    `thinned`: the numbers that came have a wider step all through, and the slices' own spacing says it is too wide.
    """

    numbers: tuple[int, ...]
    step: int
    spacing: float
    thinned: bool

    def holes(self, here: AbstractSet[int]) -> list[Hole]:
        """Return the holes in order of place; a number of `here`, the whole series, is not missing."""
        pairs = [(min(pair), max(pair)) for pair in pairwise(self.numbers)]
        if sum((last - first) // self.step - 1 for first, last in pairs) > LARGEST_LOSS * len(self.numbers):
            return []
        found = [(len(set(range(first, last, self.step)) - {first} - here), first, last) for first, last in pairs]
        return [Hole(*each) for each in found if each[0]]


def alike(length: float, usual: float) -> bool:
    """Say whether two lengths in mm are the same but for rounding and drift."""
    return abs(length - usual) <= max(ALIKE_MM, ALIKE_SHARE * usual)


def numbering(
    numbers: Sequence[int | None], distances: Sequence[float], own_spacing: float | None = None
) -> Numbering | None:
    """Read the numbers of slices in order of place, and their distances in mm; None if the two do not agree.

    `own_spacing`: what the slices say of their distance (Spacing Between Slices, else Slice Thickness) in mm.
    """
    known = tuple(one for one in numbers if one is not None)
    jumps = [upper - lower for lower, upper in pairwise(known)]
    if len(known) < len(numbers) or not jumps or min(jumps) <= 0 <= max(jumps):
        return None
    units = [distance / abs(jump) for distance, jump in zip(distances, jumps, strict=True)]
    unit = median(units)
    if sum(alike(each, unit) for each in units) < REGULAR * len(units):
        return None
    step = gcd(*jumps)
    thinned = step > 1 and own_spacing is not None and alike(unit, own_spacing)
    step = 1 if thinned else step
    return Numbering(known, step, unit * step, thinned)
