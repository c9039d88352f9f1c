"""Measurements out of a TID 1500 report in the JSON model; what is written oddly is left out, never a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sr_reports.measured import DEEPEST, MOST, Group, Measured, groups


def code(tag: str, value: str, meaning: str) -> dict[str, Any]:
    item = {"00080100": {"vr": "SH", "Value": [value]}, "00080104": {"vr": "LO", "Value": [meaning]}}
    return {tag: {"vr": "SQ", "Value": [item]}}


def container(concept: str, *children: Any) -> dict[str, Any]:
    return {**code("0040A043", concept, "x"), "0040A730": {"vr": "SQ", "Value": list(children)}}


def number(name: str, value: Any, unit: str) -> dict[str, Any]:
    measured = {"0040A30A": {"vr": "DS", "Value": [value]}, **code("004008EA", unit, unit)}
    return {**code("0040A043", "1", name), "0040A300": {"vr": "SQ", "Value": [measured]}}


TRACKED = {
    **code("0040A043", "112039", "Tracking"),
    "0040A160": {"vr": "UT", "Value": ["Cornerstone3DTools@^0.1.0:Length"]},
}
FINDING = {**code("0040A043", "121071", "Finding"), **code("0040A168", "CORNERSTONEFREETEXT", "Nodule\r\nof interest")}
SITE = {**code("0040A043", "363698007", "Finding Site"), **code("0040A168", "1", "Left lung")}


def report(*group: Any) -> dict[str, Any]:
    return container("126000", container("126010", container("125007", *group)))


def test_what_was_measured_is_told_with_name_and_unit() -> None:
    (found,) = groups(report(TRACKED, FINDING, SITE, number("Length", 23.414, "mm"), number("Area", "310.00", "mm2")))
    assert found == Group(
        "Length", ("Nodule of interest",), ("Left lung",),
        (Measured("Length", "23.41", "mm"), Measured("Area", "310", "mm²")),
    )  # fmt: skip
    assert found.text == "Nodule of interest, Left lung: Length 23.41 mm, Area 310 mm²"


def test_a_measurement_that_nobody_named_has_the_tools_name() -> None:
    (found,) = groups(report(TRACKED, number("Length", 5, "mm")))
    assert (found.title, found.text) == ("Length", "Length 5 mm")


@pytest.mark.parametrize(("value", "said"), [(0.00012345, "0.000123"), (-1000, "-1000"), (1234.5, "1234.5"), (0, "0")])
def test_numbers_are_written_plainly(value: float, said: str) -> None:
    assert groups(report(number("Value", value, "1")))[0].values == (Measured("Value", said, ""),)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"0040A730": {"vr": "SQ"}},
        {"0040A730": {"vr": "SQ", "Value": [None, 7, "x", []]}},
        {"0040A730": {"vr": "SQ", "Value": "x"}},
        {"0040A730": []},
        report(
            number("Length", "no number", "mm"), number("Length", None, "mm"), {"0040A300": {"vr": "SQ", "Value": [{}]}}
        ),
    ],
)
def test_what_is_written_oddly_is_left_out(odd: Any) -> None:
    assert all(group.values == () for group in groups(odd))


def test_what_is_nested_beyond_reason_or_is_very_much_ends_somewhere() -> None:
    deep = report(number("Length", 1, "mm"))
    for _ in range(DEEPEST):
        deep = container("1", deep)
    assert groups(deep) == ()
    many = container("126010", *[container("125007", number("Length", 1, "mm"))] * (MOST + 5))
    assert len(groups(json.loads(json.dumps(many)))) == MOST
