"""The style sheet: text can be read on its background, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gateway.portal

TOKEN = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
STYLE = (Path(gateway.portal.__file__).parent / "static" / "overread.css").read_text()
TOKENS = {name: (light, dark) for name, light, dark in TOKEN.findall(STYLE)}
TEXT, EDGE = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11, level AA
PAIRS = [
    *((text, ground, TEXT) for text in ("ink", "faint", "accent") for ground in ("ground", "surface", "raised")),
    *(("ink", ground, TEXT) for ground in ("line", "accent-wash", "good-wash", "care-wash", "bad-wash")),
    *((tone, ground, TEXT) for tone in ("good", "care", "bad") for ground in (f"{tone}-wash", "surface")),
    ("accent-deep", "accent-wash", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-deep", TEXT),
    ("edge", "surface", EDGE),
    ("edge", "ground", EDGE),
]


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_text_stands_out_from_its_ground_in_light_and_in_dark(text: str, ground: str, least: float) -> None:
    for shade in (0, 1):
        assert contrast(TOKENS[text][shade], TOKENS[ground][shade]) >= least


def test_colours_are_written_once_as_tokens() -> None:
    rules = STYLE.split("/* --- the page", 1)[1]
    assert re.findall(r"#[0-9a-fA-F]{6}\b", rules) == []
