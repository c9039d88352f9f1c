"""Pixels of the synthetic studies: plausible enough to read with, and of nobody.

A head is a stack of ellipses with a skull, folded cortex, ventricles and one lesion; a chest is a projection with ribs,
lungs, heart and one nodule. Everything is computed from a seed, so that the same study always has the same pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]  # (rows, columns)
Mask = NDArray[np.bool_]

# tissue -> CT number in HU, T1 and T2 signal in arbitrary units
TISSUES: Mapping[str, tuple[float, float, float]] = {
    "air": (-1000.0, 8.0, 8.0),
    "scalp": (20.0, 620.0, 420.0),
    "bone": (1100.0, 60.0, 40.0),
    "fluid": (6.0, 130.0, 980.0),
    "cortex": (38.0, 360.0, 560.0),
    "white matter": (28.0, 500.0, 400.0),
    "deep grey": (40.0, 400.0, 480.0),
    "oedema": (18.0, 320.0, 760.0),
    "lesion": (66.0, 250.0, 640.0),
}
CT, T1, T2 = range(3)


@dataclass(frozen=True, slots=True)
class Grid:
    """Pixel centres in units of half the field of view: x to the patient's left, y to the back."""

    x: Plane
    y: Plane


def grid(size: int) -> Grid:
    """A square grid of size x size pixels from -1 to 1."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    return Grid(x, y)


def head_slice(at: Grid, level: float, contrast: int, seed: int) -> Plane:
    """One axial slice through a head; `level` runs from -1 (skull base) to 1 (vertex), `contrast` is CT, T1 or T2."""
    plane = np.full(at.x.shape, TISSUES["air"][contrast])
    for tissue, where in _head(at, level):
        plane[where] = TISSUES[tissue][contrast]
    noise = np.random.default_rng(seed).normal(0.0, 5.0 if contrast == CT else 14.0, plane.shape)
    texture = smoothed(np.random.default_rng(seed + 1).normal(0.0, 1.0, plane.shape), 6) * 30.0
    inside = plane > TISSUES["air"][contrast] + 5
    return np.where(inside, smoothed(plane, 1) + texture * (0.3 if contrast == CT else 1.0), plane) + noise


def _head(at: Grid, level: float) -> tuple[tuple[str, Mask], ...]:
    """Tissues in painting order: the later lies over the earlier."""
    width = float(np.sqrt(max(0.05, 1 - (0.88 * level) ** 2)))
    radius = np.hypot(at.x / (0.66 * width), (at.y + 0.02) / (0.80 * width))
    angle = np.arctan2(at.y, at.x)
    folds = 0.035 * np.sin(17 * angle + 5 * level) + 0.02 * np.sin(29 * angle - 11 * level)
    cleft = (np.abs(at.x) < 0.008) & (np.abs(at.y) > 0.28 * width)
    centre = (-0.24, -0.20, 0.15)
    lesion = np.hypot(at.x - centre[0], at.y - centre[1]) ** 2 + (0.7 * (level - centre[2])) ** 2
    return (
        ("scalp", radius < 1.0),
        ("bone", radius < 0.94),
        ("fluid", radius < 0.855),
        ("cortex", radius < 0.83 + 0.3 * folds),
        ("white matter", radius < 0.70 + folds),
        ("deep grey", _deep_grey(at, level) & (radius < 0.6)),
        ("fluid", (_ventricles(at, level) | cleft) & (radius < 0.83)),
        ("oedema", (lesion < 0.030) & (radius < 0.8)),
        ("lesion", (lesion < 0.009) & (radius < 0.8)),
    )


def _ventricles(at: Grid, level: float) -> Mask:
    """The lateral ventricles, widest in the middle of the head."""
    size = max(0.0, 1 - (level / 0.45) ** 2)
    side = np.abs(at.x)
    front = ((side - 0.07 - 0.10 * np.abs(at.y + 0.08)) / (0.045 * size + 1e-6)) ** 2 + (
        (at.y + 0.06) / (0.30 * size + 1e-6)
    ) ** 2
    return np.asarray(front < 1)


def _deep_grey(at: Grid, level: float) -> Mask:
    if abs(level) > 0.3:
        return np.zeros(at.x.shape, dtype=bool)
    return np.asarray(((np.abs(at.x) - 0.20) / 0.07) ** 2 + ((at.y + 0.02) / 0.14) ** 2 < 1)


def smoothed(plane: Plane, radius: int) -> Plane:
    """A box blur of (2 radius + 1) pixels, by sums along both axes."""
    for axis in (0, 1):
        width = 2 * radius + 1
        padded = np.pad(plane, [(radius + 1, radius) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
        sums = np.cumsum(padded, axis=axis)
        high = np.take(sums, range(width, padded.shape[axis]), axis=axis)
        low = np.take(sums, range(padded.shape[axis] - width), axis=axis)
        plane = (high - low) / width
    return plane


def chest(size: int, seed: int) -> Plane:
    """A frontal chest radiograph, 0 (black) to 4095: the attenuation of soft tissue, ribs, heart and a nodule."""
    at = grid(size)
    body = np.clip(1.25 - (at.x / 0.98) ** 4, 0, None)
    thick = 1500 + 900 * body
    for side in (-1, 1):
        thick -= 1350 * _lung(at, side)
        thick += 260 * _ribs(at, side) + 300 * _clavicle(at, side)
    spine = np.exp(-((at.x / 0.085) ** 2)) * (700 + 60 * np.sin(at.y * 42))
    heart = 900 * _soft_ellipse((at.x - 0.14) / 0.34, (at.y - 0.26) / 0.36, 9)
    vessels = 420 * np.exp(-((np.abs(at.x) - 0.20) ** 2) / 0.012 - ((at.y - 0.02) ** 2) / 0.05)
    nodule = 330 * _soft_ellipse((at.x + 0.47) / 0.045, (at.y + 0.28) / 0.045, 4)
    image = thick + spine + heart + vessels + nodule
    noise = np.random.default_rng(seed).normal(0.0, 22.0, image.shape)
    return np.asarray(np.clip(smoothed(image, max(1, size // 512)) + noise, 0, 4095))


def _soft_ellipse(x: Plane, y: Plane, sharpness: float) -> Plane:
    """1 inside the unit circle, 0 outside, with a soft edge."""
    return np.asarray(1 / (1 + np.exp(np.clip(sharpness * (np.hypot(x, y) - 1) * 2, -50, 50))))


def _lung(at: Grid, side: int) -> Plane:
    x = (at.x * side - 0.44 - 0.05 * at.y) / 0.33
    dome = 1 / (1 + np.exp(np.clip(26 * (at.y - 0.52 + 0.22 * (x + 0.15) ** 2 - (0.05 if side < 0 else 0.0)), -50, 50)))
    return _soft_ellipse(x, (at.y + 0.05) / 0.78, 11) * dome


def _ribs(at: Grid, side: int) -> Plane:
    x = at.x * side
    inside = 1 / (1 + np.exp(-60 * (x - 0.08))) / (1 + np.exp(40 * (x - 0.80)))
    total = np.zeros_like(at.x)
    for number in range(9):
        line = -0.72 + 0.165 * number + 0.19 * (x - 0.15) + 0.42 * np.clip(x - 0.45, 0, None) ** 2
        total += np.exp(-(((at.y - line) / 0.026) ** 2)) * inside
    return total


def _clavicle(at: Grid, side: int) -> Plane:
    x = at.x * side
    line = -0.70 - 0.10 * np.sin(np.clip((x - 0.08) / 0.62, 0, 1) * 3.1)
    along = 1 / (1 + np.exp(-60 * (x - 0.10))) / (1 + np.exp(60 * (x - 0.70)))
    return np.asarray(np.exp(-(((at.y - line) / 0.030) ** 2)) * along)
