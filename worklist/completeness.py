"""Is a series whole? Missing slices, gaps and duplicates, from what its images say of themselves.

Geometry comes first: slices of one stack lie at equal distances, and a hole in them is a slice that did not arrive,
unless the images on both sides of it are numbered as neighbours (then it never was taken). Where too many are missing
to see it from distances, numbers that agree with the places tell it. Where images have no position, their numbers alone
are looked at. What differs between acquisitions, echoes or phases is never compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

from worklist.numbering import REGULAR, Numbering, alike, numbering

Vector = tuple[float, float, float]

SMALLEST_STACK: Final = 5
"""With fewer slices nobody can tell what their distance is."""
HOLE: Final = 1.5
"""From so many distances on it is a hole."""
MOST_LISTED: Final = 5
"""Of more holes in an uneven stack one sentence says how many slices are missing."""
FEWEST_NUMBERS: Final = 10
MOST_MISSING_NUMBERS: Final = 0.1
"""Of images without position: more holes than this share are a way of numbering, not a loss."""
LARGEST_PLAN: Final = 5
"""An announced count of more than so many times what came counts something else."""


class Kind(StrEnum):
    """What may be wrong with a study or series. The values are stored."""

    GAP = "gap"  # slices of a stack are missing
    SCATTERED = "scattered"  # slices are missing in many places of a stack
    ENDS = "ends"  # another series of the same acquisition goes a few slices further
    SKIPPED = "skipped"  # the image numbers of a CT leave out every second or third one all through
    THINNED = "thinned"  # the image numbers and the spacing say that every second or third slice is here, and no other
    NUMBERS = "numbers"  # image numbers are missing
    DUPLICATES = "duplicates"  # the same image under two UIDs
    PLANNED = "planned"  # the images say that more of them were taken
    SENDER_HAS_MORE = "sender has more"  # the site's PACS counts more images in this study
    COMMITMENT = "commitment"  # the site asked for storage commitment of images that are not here
    KEY_OBJECTS = "key objects"  # a key object selection names images that are not here
    REFUSED = "refused"  # the receiver refused images; their sender was told
    CUT = "cut"  # the link was cut while the study came, and nothing has made that good
    STRANGERS = "strangers"  # a coordinator accepted images that name another patient than the study
    OTHER_PERSON = "other person"  # images of the same name and Patient ID say another birth date or sex


NOT_MISSING: Final = frozenset({Kind.DUPLICATES, Kind.STRANGERS, Kind.OTHER_PERSON})
"""Findings about images that are here; every other one says that some are not."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding. `first` and `last` are image numbers beside a gap or of a range of missing ones; lengths in mm.

    `of`: how many images there would be with the missing ones, `reason`: why images were refused, in a sentence, or
    what strangers carry ("another name", "another birth date"). `at`: when these were accepted, as ISO 8601. Of a cut:
    `first` images came before it and `of` after, `count` are known to be missing.
    """

    kind: Kind
    count: int
    series_uid: str = ""
    first: int | None = None
    last: int | None = None
    spacing: float | None = None
    reason: str = ""
    of: int | None = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """One image. `position` in mm and `normal` as in PS3.3 C.7.6.2.1.1, None if it says none.

    `acquisition` is everything by which images of one place differ; `planned` its Images in Acquisition (0020,1002);
    `spacing` its Spacing Between Slices (0018,0088), else its Slice Thickness (0018,0050), in mm; `frame` its Frame of
    Reference UID, `taken` what says in which acquisition, () if nothing does; `thickness` is its Slice Thickness if it
    says nothing else of its distance.
    """

    number: int | None
    position: Vector | None
    normal: Vector | None
    acquisition: tuple[str, ...] = ()
    planned: int | None = None
    spacing: float | None = None
    modality: str = ""
    frame: str = ""
    taken: tuple[str, ...] = ()
    thickness: float | None = None


def remarks_of(series_uid: str, slices: Sequence[Slice]) -> list[Remark]:
    """Say what is wrong with one series; nothing if it is whole as far as its images tell."""
    placed = [one for one in slices if one.position and one.normal]
    found = list(_duplicates(series_uid, placed))
    if len(placed) * 2 > len(slices):
        here = {one.number for one in slices if one.number is not None}
        for stack in _stacks(placed):
            found += _gaps(series_uid, stack, here)
    else:
        found += _missing_numbers(series_uid, slices)
    return found + list(_fewer_than_planned(series_uid, slices))


def _stacks(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Images that belong to one pass through the body; where every image is a pass of its own, by direction alone."""
    apart: dict[tuple[object, ...], list[Slice]] = defaultdict(list)
    together: dict[tuple[object, ...], list[Slice]] = defaultdict(list)
    for one in slices:
        apart[direction(one), one.acquisition].append(one)
        together[direction(one),].append(one)
    chosen = apart if median(map(len, apart.values())) >= SMALLEST_STACK else together
    return list(chosen.values())


def direction(one: Slice) -> tuple[float, ...]:
    """The normal of an image, rounded so that equal ones are equal."""
    return tuple(round(part, 2) + 0.0 for part in one.normal or ())


def _gaps(series_uid: str, stack: Sequence[Slice], here: AbstractSet[int]) -> Iterator[Remark]:
    normal = stack[0].normal or (0.0, 0.0, 1.0)
    places = {round(along(one, normal), 2): one for one in stack}
    ordered = [places[at] for at in sorted(places)]
    if len(ordered) < SMALLEST_STACK:
        return
    distances = [upper - lower for lower, upper in pairwise(sorted(places))]
    usual = median(distances)
    regular = sum(alike(each, usual) for each in distances) >= REGULAR * len(distances)
    numbered = numbering([one.number for one in ordered], distances, _own_spacing(ordered))
    if numbered and numbered.step > 1 and _may_overlap(ordered, numbered):
        yield from _left_out(series_uid, numbered, here)
    elif numbered and (numbered.thinned or not regular):
        yield from _holes_in_numbers(series_uid, numbered, here)
    elif regular:
        yield from _wide_distances(series_uid, ordered, distances, usual)


def _own_spacing(stack: Sequence[Slice]) -> float | None:
    """What all slices of a stack say of their distance, None if they do not agree."""
    said = {one.spacing for one in stack}
    return said.pop() if len(said) == 1 else None


def _may_overlap(ordered: Sequence[Slice], numbered: Numbering) -> bool:
    """Whether slices of a CT are as thick as if others had lain between them: it is reconstructed with overlap."""
    kinds = {(one.modality, one.thickness) for one in ordered}
    modality, thickness = kinds.pop()
    between = numbered.spacing / numbered.step
    overlapping = thickness is not None and thickness > between and not alike(thickness, between)
    return not kinds and modality == "CT" and overlapping and len(ordered) >= FEWEST_NUMBERS


def _left_out(series_uid: str, numbered: Numbering, here: AbstractSet[int]) -> Iterator[Remark]:
    low, high = min(numbered.numbers), max(numbered.numbers)
    missing = len(set(range(low, high)) - here)
    if 0 < missing <= LARGEST_PLAN * len(numbered.numbers):
        yield Remark(Kind.SKIPPED, missing, series_uid, of=missing + len(numbered.numbers))


def _holes_in_numbers(series_uid: str, numbered: Numbering, here: AbstractSet[int]) -> Iterator[Remark]:
    holes = numbered.holes(here)
    missing = sum(each.missing for each in holes)
    spacing, total = round(numbered.spacing, 2), missing + len(numbered.numbers)
    if numbered.thinned and missing:
        yield Remark(Kind.THINNED, missing, series_uid, spacing=spacing, of=total)
    elif len(holes) > MOST_LISTED:
        yield Remark(Kind.SCATTERED, missing, series_uid, spacing=spacing, of=total)
    else:
        for each in holes:
            yield Remark(Kind.GAP, each.missing, series_uid, each.first, each.last, spacing)


def _wide_distances(
    series_uid: str, ordered: Sequence[Slice], distances: Sequence[float], usual: float
) -> Iterator[Remark]:
    step = _usual_step(ordered)
    for (lower, upper), distance in zip(pairwise(ordered), distances, strict=True):
        numbers = sorted(n for n in (lower.number, upper.number) if n is not None)
        never_taken = len(numbers) == 2 and numbers[1] - numbers[0] == step
        missing = round(distance / usual) - 1
        if HOLE * usual < distance and not never_taken and missing <= len(ordered):  # else two blocks, not one stack
            first, last = numbers if len(numbers) == 2 else (None, None)
            yield Remark(Kind.GAP, missing, series_uid, first, last, round(usual, 2))


def along(one: Slice, normal: Vector) -> float:
    """Where an image lies along a normal, in mm."""
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
