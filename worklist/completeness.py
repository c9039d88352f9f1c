"""Is a series whole? Missing slices, gaps and duplicates, from what its images say of themselves.

Geometry comes first: slices of one stack lie at equal distances, and a hole in them is a slice that did not arrive,
unless the images on both sides of it are numbered as neighbours (then it never was taken). Where images have no
position, their numbers alone are looked at. What differs between acquisitions, echoes or phases is never compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

Vector = tuple[float, float, float]

SMALLEST_STACK: Final = 5
"""With fewer slices nobody can tell what their distance is."""
REGULAR: Final = 0.8
"""The share of distances that must be alike for a stack to be one."""
ALIKE_MM: Final = 0.02
ALIKE_SHARE: Final = 0.05
HOLE: Final = 1.5
"""From so many distances on it is a hole."""
FEWEST_NUMBERS: Final = 10
MOST_MISSING_NUMBERS: Final = 0.1
"""Of images without position: more holes than this share are a way of numbering, not a loss."""
LARGEST_PLAN: Final = 5
"""An announced count of more than so many times what came counts something else."""


class Kind(StrEnum):
    """What may be wrong with a study or series. The values are stored."""

    GAP = "gap"  # slices of a stack are missing
    NUMBERS = "numbers"  # image numbers are missing
    DUPLICATES = "duplicates"  # the same image under two UIDs
    PLANNED = "planned"  # the images say that more of them were taken
    SENDER_HAS_MORE = "sender has more"  # the site's PACS counts more images in this study
    COMMITMENT = "commitment"  # the site asked for storage commitment of images that are not here
    KEY_OBJECTS = "key objects"  # a key object selection names images that are not here
    REFUSED = "refused"  # the receiver refused images; their sender was told


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding. `first` and `last` are image numbers beside a gap or of a range of missing ones; lengths in mm.

    `reason`: why images were refused, in a sentence.
    """

    kind: Kind
    count: int
    series_uid: str = ""
    first: int | None = None
    last: int | None = None
    spacing: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """One image. `position` in mm and `normal` as in PS3.3 C.7.6.2.1.1, None if it says none.

    `acquisition` is everything by which images of one place differ; `planned` its Images in Acquisition (0020,1002).
    """

    number: int | None
    position: Vector | None
    normal: Vector | None
    acquisition: tuple[str, ...] = ()
    planned: int | None = None


def remarks_of(series_uid: str, slices: Sequence[Slice]) -> list[Remark]:
    """Say what is wrong with one series; nothing if it is whole as far as its images tell."""
    placed = [one for one in slices if one.position and one.normal]
    found = list(_duplicates(series_uid, placed))
    if len(placed) * 2 > len(slices):
        for stack in _stacks(placed):
            found += _gaps(series_uid, stack)
    else:
        found += _missing_numbers(series_uid, slices)
    return found + list(_fewer_than_planned(series_uid, slices))


def _stacks(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Images that belong to one pass through the body; where every image is a pass of its own, by direction alone."""
    apart: dict[tuple[object, ...], list[Slice]] = defaultdict(list)
    together: dict[tuple[object, ...], list[Slice]] = defaultdict(list)
    for one in slices:
        apart[_direction(one), one.acquisition].append(one)
        together[_direction(one),].append(one)
    chosen = apart if median(map(len, apart.values())) >= SMALLEST_STACK else together
    return list(chosen.values())


def _direction(one: Slice) -> tuple[float, ...]:
    return tuple(round(part, 2) + 0.0 for part in one.normal or ())


def _gaps(series_uid: str, stack: Sequence[Slice]) -> Iterator[Remark]:
    normal = stack[0].normal or (0.0, 0.0, 1.0)
    places = {round(_along(one, normal), 2): one for one in stack}
    ordered = sorted(places)
    if len(ordered) < SMALLEST_STACK:
        return
    distances = [upper - lower for lower, upper in pairwise(ordered)]
    usual = median(distances)
    alike = sum(abs(each - usual) <= max(ALIKE_MM, ALIKE_SHARE * usual) for each in distances)
    if alike < REGULAR * len(distances):
        return
    step = _usual_step([places[at] for at in ordered])
    for (lower, upper), distance in zip(pairwise(ordered), distances, strict=True):
        numbers = sorted(n for n in (places[lower].number, places[upper].number) if n is not None)
        never_taken = len(numbers) == 2 and numbers[1] - numbers[0] == step
        missing = round(distance / usual) - 1
        if HOLE * usual < distance and not never_taken and missing <= len(ordered):  # else two blocks, not one stack
            first, last = numbers if len(numbers) == 2 else (None, None)
            yield Remark(Kind.GAP, missing, series_uid, first, last, round(usual, 2))


def _along(one: Slice, normal: Vector) -> float:
    return sum(a * b for a, b in zip(one.position or (), normal, strict=True))


def _usual_step(ordered: Sequence[Slice]) -> int | None:
    """By how much the numbers of neighbouring slices usually differ."""
    numbers = [one.number for one in ordered]
    steps = [abs(b - a) for a, b in pairwise(numbers) if a is not None and b is not None]
    return Counter(steps).most_common(1)[0][0] if steps else None


def _missing_numbers(series_uid: str, slices: Sequence[Slice]) -> Iterator[Remark]:
    numbers = sorted({one.number for one in slices if one.number is not None})
    if len(numbers) < FEWEST_NUMBERS:
        return
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if missing > MOST_MISSING_NUMBERS * len(numbers):
        return
    for lower, upper in pairwise(numbers):
        if upper - lower > 1:
            yield Remark(Kind.NUMBERS, upper - lower - 1, series_uid, lower + 1, upper - 1)


def _duplicates(series_uid: str, placed: Sequence[Slice]) -> Iterator[Remark]:
    same = Counter((one.number, one.position, one.normal, one.acquisition) for one in placed if one.number is not None)
    twice = sum(count - 1 for count in same.values())
    if twice:
        yield Remark(Kind.DUPLICATES, twice, series_uid)


def _fewer_than_planned(series_uid: str, slices: Sequence[Slice]) -> Iterator[Remark]:
    plans = {one.planned for one in slices}
    planned = plans.pop() if len(plans) == 1 else None
    if planned and len(slices) < planned <= LARGEST_PLAN * len(slices) and len({o.acquisition for o in slices}) == 1:
        yield Remark(Kind.PLANNED, planned - len(slices), series_uid)
