"""A loss at the ends of a series shows beside another reconstruction of the same acquisition, and only there."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians, sin

import pytest

from worklist.completeness import Kind, Remark, Slice
from worklist.sisters import ends_missing

AXIAL = (0.0, 0.0, 1.0)
TILT = (0.0, -sin(radians(18)), cos(radians(18)))


def recon(count=100, *, first=1, start=0.0, spacing=1.0, normal=AXIAL, acquisition="1", **said):
    """Slices of one reconstruction; each was taken at a moment of its own."""
    return [
        Slice(
            first + i,
            (10.0, 20.0, start + spacing * i),
            normal,
            modality="CT",
            frame="1.2.9",
            taken=(acquisition, f"{start + spacing * i:.3f}"),
            **said,
        )
        for i in range(count)
    ]


def test_slices_that_are_missing_at_the_end_are_found_beside_the_other_kernel():
    said = ends_missing({"1.1": recon(), "1.2": recon()[:-3]})
    assert said == [Remark(Kind.ENDS, 3, "1.2", reason="end", of=100)]


def test_slices_that_are_missing_at_the_beginning_are_found_by_place_and_number():
    said = ends_missing({"1.1": recon(), "1.2": recon()[2:]})
    assert said == [Remark(Kind.ENDS, 2, "1.2", reason="beginning", of=100)]


def test_a_tilted_gantry_and_slices_from_foot_to_head_are_compared_like_others():
    for more in ({"normal": TILT}, {"spacing": -0.625}):
        assert [one.count for one in ends_missing({"1.1": recon(**more), "1.2": recon(**more)[:-4]})] == [4]


def test_the_order_in_which_images_came_does_not_matter():
    assert [one.count for one in ends_missing({"1.1": recon()[::-1], "1.2": recon()[:-1][::-1]})] == [1]


WANTED = {
    "equal reconstructions": recon(),
    "a shorter range that was wanted": recon(80),
    "a range that begins elsewhere": recon(95, start=3.0),
    "slices renumbered from one on": recon(97, start=3.0, first=1),
    "thicker slices": recon(20, spacing=5.0),
    "overlapping slices": recon(190, spacing=0.5),
    "the next phase": recon(97, acquisition="2"),
    "a scout": [replace(one, normal=(1.0, 0.0, 0.0)) for one in recon(97)],
    "another tilt": recon(97, normal=TILT),
    "another frame of reference": [replace(one, frame="1.2.8") for one in recon(97)],
    "no frame of reference": [replace(one, frame="") for one in recon(97)],
    "nothing said of the acquisition": [replace(one, taken=()) for one in recon(97)],
    "two phases in one series": [one for phase in "12" for one in recon(49, acquisition=phase)],
    "phases that their acquisition tells apart": [
        replace(one, acquisition=(str(i % 2),)) for i, one in enumerate(recon(97))
    ],
    "few images": recon(9),
    "uneven slices": [replace(one, position=(10.0, 20.0, float(i * i))) for i, one in enumerate(recon(97))],
    "numbers by two": [replace(one, number=2 * i + 1) for i, one in enumerate(recon(97))],
    "images without number": [replace(one, number=None) for one in recon(97)],
    "images without position": [replace(one, position=None, normal=None) for one in recon(97)],
}


@pytest.mark.parametrize("other", WANTED.values(), ids=WANTED)
def test_what_was_meant_to_be_shorter_or_is_something_else_is_no_loss(other):
    assert ends_missing({"1.1": recon(), "1.2": other}) == []
    assert ends_missing({"1.2": other, "1.1": recon()}) == []


def test_a_series_alone_tells_nothing_of_its_ends():
    assert ends_missing({"1.1": recon()[:-3]}) == []
    assert ends_missing({}) == []
