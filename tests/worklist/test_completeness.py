"""Missing slices, gaps and duplicates are found, and what only looks like them is left alone."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from worklist.completeness import Kind, Remark, Slice, remarks_of

AXIAL, SAGITTAL = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)


def stack(count, spacing=2.0, normal=AXIAL, first=1, slice_spacing=None, **said):
    said = {**said, "spacing": slice_spacing}
    return [
        Slice(first + i, tuple(100.0 + spacing * i * part for part in normal), normal, **said) for i in range(count)
    ]


def test_a_whole_stack_has_nothing_to_remark():
    assert remarks_of("1.2", stack(40)) == []
    assert remarks_of("1.2", list(reversed(stack(40, spacing=-0.625)))) == []


@pytest.mark.parametrize("lost", [1, 3])
def test_slices_that_did_not_arrive_are_found_with_their_neighbours(lost):
    slices = stack(40)
    del slices[20 : 20 + lost]
    assert remarks_of("1.2", slices) == [Remark(Kind.GAP, lost, "1.2", 20, 21 + lost, 2.0)]


def test_a_hole_between_images_that_were_numbered_as_neighbours_was_never_taken():
    upper, lower = stack(20), stack(20, first=21)
    moved = [replace(one, position=(100.0, 100.0, one.position[2] + 60.0)) for one in lower]
    assert remarks_of("1.2", upper + moved) == []


def test_phases_and_echoes_are_looked_at_one_by_one():
    phases = [one for phase in "12" for one in stack(12, acquisition=(phase,))]
    del phases[5]
    assert [(one.kind, one.count) for one in remarks_of("1.2", phases)] == [(Kind.GAP, 1)]


def test_three_planes_of_a_localizer_are_no_gap():
    assert remarks_of("1.2", stack(7) + stack(7, normal=SAGITTAL, first=8)) == []


def test_irregular_distances_are_not_judged():
    slices = [replace(one, position=(0.0, 0.0, float(i * i))) for i, one in enumerate(stack(12))]
    assert remarks_of("1.2", slices) == []


def left_of(count, lost, seed, **said):
    """A stack without so many of its inner slices, in no order."""
    rng = random.Random(seed)
    slices = stack(count, **said)
    gone = set(rng.sample(range(1, count - 1), lost))
    return rng.sample([one for i, one in enumerate(slices) if i not in gone], count - lost)


@pytest.mark.parametrize("spacing", [0.33, 0.625, -2.0, 5.0])
@pytest.mark.parametrize(("count", "lost"), [(100, 20), (100, 30), (100, 50), (250, 84), (250, 150)])
def test_the_more_slices_are_missing_the_more_is_said(count, lost, spacing):
    """Once nothing was said from a fifth of the distances on."""
    for seed in range(5):
        said = remarks_of("1.2", left_of(count, lost, seed, spacing=spacing))
        assert [(one.kind, one.count, one.of) for one in said] == [(Kind.SCATTERED, lost, count)]


def test_a_few_holes_of_an_uneven_stack_are_listed():
    slices = [one for one in stack(10) if one.number not in {3, 5, 6, 9}]
    assert [(one.count, one.first, one.last) for one in remarks_of("1.2", slices)] == [(1, 2, 4), (2, 4, 7), (1, 8, 10)]


def test_every_second_slice_missing_is_said_softly_where_the_slices_know_their_distance():
    assert remarks_of("1.2", stack(99, spacing=1.0, slice_spacing=1.0)[::2]) == [
        Remark(Kind.THINNED, 49, "1.2", spacing=1.0, of=99)
    ]


@pytest.mark.parametrize("spacing", [None, 2.0, 5.0])
def test_numbers_with_a_step_of_their_own_are_no_loss(spacing):
    assert remarks_of("1.2", [replace(one, spacing=spacing) for one in stack(99, spacing=1.0)[::2]]) == []


def test_slices_taken_in_two_interleaved_acquisitions_are_no_loss():
    whole = stack(40, spacing=1.0, slice_spacing=1.0)
    assert remarks_of("1.2", [replace(one, acquisition=(str(i % 2),)) for i, one in enumerate(whole)]) == []
    assert remarks_of("1.2", [replace(one, acquisition=(str(i % 3 % 2),)) for i, one in enumerate(whole)]) == []


def test_echoes_phases_and_times_that_are_numbered_in_turn_are_no_loss():
    for turns in (2, 10):
        series = [
            replace(one, number=turns * i + turn, acquisition=(str(turn),), spacing=1.0)
            for turn in range(turns)
            for i, one in enumerate(stack(20, spacing=1.0))
        ]
        assert remarks_of("1.2", series) == []


def test_a_tilted_gantry_and_an_uneven_scout_are_no_loss():
    tilted = (0.0, -0.34202, 0.93969)
    assert remarks_of("1.2", stack(100, normal=tilted, slice_spacing=2.0)) == []
    places = (0.0, 30.0, 60.0, 150.0, 180.0, 300.0)
    scout = [replace(one, position=(0.0, 0.0, at)) for one, at in zip(stack(6), places, strict=True)]
    assert remarks_of("1.2", scout) == []


def test_a_few_images_somebody_chose_from_a_stack_are_no_loss():
    assert remarks_of("1.2", [one for one in stack(400) if one.number in {3, 17, 90, 91, 200, 333}]) == []


def test_images_without_position_are_judged_by_their_numbers():
    slices = [Slice(number, None, None) for number in range(1, 41) if number not in {7, 20, 21}]
    assert remarks_of("1.2", slices) == [Remark(Kind.NUMBERS, 1, "1.2", 7, 7), Remark(Kind.NUMBERS, 2, "1.2", 20, 21)]


def test_a_wide_way_of_numbering_is_no_loss_and_costs_nothing():
    assert remarks_of("1.2", [Slice(number * 1_000_000_000, None, None) for number in range(30)]) == []


def test_the_same_image_under_two_uids_is_a_duplicate_and_a_derived_one_is_not():
    slices = stack(10)
    assert remarks_of("1.2", [*slices, slices[3]]) == [Remark(Kind.DUPLICATES, 1, "1.2")]
    assert remarks_of("1.2", [*slices, replace(slices[3], acquisition=("DERIVED",))]) == []


def test_images_that_announce_more_of_them_are_believed_within_reason():
    assert [(one.kind, one.count) for one in remarks_of("1.2", stack(28, planned=30))] == [(Kind.PLANNED, 2)]
    assert remarks_of("1.2", stack(28, planned=28)) == []
    assert remarks_of("1.2", stack(6, planned=5000)) == []


def test_nothing_at_all_is_nothing_to_remark():
    assert remarks_of("1.2", []) == []
    assert remarks_of("1.2", [Slice(None, None, None)]) == []


@pytest.mark.parametrize(("thickness", "every"), [(1.25, 2), (2.0, 2), (3.0, 3)])
def test_every_second_slice_of_a_ct_with_overlap_missing_is_said_softly(thickness, every):
    """Once nothing was said: slices that lie as far apart as they are thick look whole."""
    whole = stack(99, spacing=0.625, slice_spacing=thickness, thickness=thickness, modality="CT")
    left = whole[::every]
    said = remarks_of("1.2", left)
    assert [(one.kind, one.count, one.of) for one in said] == [
        (Kind.SKIPPED, 99 - len(left) - (98 % every), 99 - (98 % every))
    ]


NUMBERED_BY_TWO = {
    "thin slices, far apart": stack(40, spacing=5.0, slice_spacing=1.0, thickness=1.0, modality="CT")[::2],
    "an MR that numbers its echoes in turn": stack(40, spacing=2.5, slice_spacing=5.0, thickness=5.0, modality="MR")[
        ::2
    ],
    "slices without thickness": stack(40, modality="CT")[::2],
    "slices that say that this is their distance": stack(40, spacing=0.625, slice_spacing=1.25, modality="CT")[::2],
    "few slices": stack(15, spacing=0.625, slice_spacing=1.25, thickness=1.25, modality="CT")[::2],
}


@pytest.mark.parametrize("slices", NUMBERED_BY_TWO.values(), ids=NUMBERED_BY_TWO)
def test_numbers_by_two_alone_are_no_loss(slices):
    assert remarks_of("1.2", slices) == []


def test_phases_that_are_numbered_in_turn_leave_out_nothing():
    whole = stack(80, spacing=0.625, slice_spacing=1.25, thickness=1.25, modality="CT")
    phases = [replace(one, acquisition=(str((one.number or 0) % 2),)) for one in whole]
    assert remarks_of("1.2", phases) == []
