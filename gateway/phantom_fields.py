"""Smooth shapes and textures on a square grid, from which synthetic images are drawn. Lengths are in millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of a square image lie: x to the patient's left, y to the back (or to the feet), centre at 0."""

    x: Plane
    y: Plane


def grid(size: int, width: float) -> Grid:
    """A grid of size x size pixels that is so many millimetres wide."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * np.float32(width)
    x, y = np.meshgrid(line, line)
    return Grid(x.astype(np.float32), y.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse by centre, half-axes and rotation (degrees)."""

    x: float
    y: float
    a: float
    b: float
    turn: float = 0.0

    def radius(self, where: Grid) -> Plane:
        """0 in the centre, 1 on the rim."""
        dx, dy = where.x - np.float32(self.x), where.y - np.float32(self.y)
        if self.turn:
            cos, sin = np.float32(np.cos(np.radians(self.turn))), np.float32(np.sin(np.radians(self.turn)))
            dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
        result: Plane = np.hypot(dx / np.float32(self.a), dy / np.float32(self.b))
        return result

    def inside(self, where: Grid, edge: float = 1.0) -> Plane:
        """1 inside, 0 outside, with a soft edge."""
        return step((1 - self.radius(where)) * np.float32(min(self.a, self.b)), edge)

    def thickness(self, where: Grid) -> Plane:
        """How deep a body with this outline is along the beam: 1 in the middle, 0 at the rim."""
        result: Plane = np.sqrt(np.clip(1 - self.radius(where) ** 2, 0, 1))
        return result

    def grown(self, by: float) -> Ellipse:
        """The same, larger by so much on every side."""
        return Ellipse(self.x, self.y, self.a + by, self.b + by, self.turn)

    def cut(self, z: float, centre: float, half: float) -> Ellipse | None:
        """The section at height z of a body with this largest section and so much height; None beside it."""
        share = 1 - ((z - centre) / half) ** 2
        return Ellipse(self.x, self.y, self.a * share**0.5, self.b * share**0.5, self.turn) if share > 0.03 else None


def step(distance: Plane, edge: float = 1.0) -> Plane:
    """From 0 (outside) to 1 (inside) over `edge` millimetres, without a corner."""
    t = np.clip(distance / np.float32(edge) + np.float32(0.5), 0, 1)
    result: Plane = t * t * (3 - 2 * t)
    return result


def band(distance: Plane, low: float, high: float, edge: float = 1.0) -> Plane:
    """1 where a distance lies between two values."""
    return step(distance - np.float32(low), edge) * step(np.float32(high) - distance, edge)


class Canvas:
    """A picture in the making: what is painted later covers what was there, as far as its share goes."""

    def __init__(self, where: Grid, background: float) -> None:
        self.where = where
        self.picture: Plane = np.full(where.x.shape, background, dtype=np.float32)

    def fill(self, value: float, share: Plane) -> None:
        """Paint everywhere."""
        self.picture += (np.float32(value) - self.picture) * share

    def ellipse(self, value: float, shape: Ellipse | None, edge: float = 1.2, share: Plane | None = None) -> None:
        """Paint one ellipse; only the pixels around it are touched."""
        if shape is None:
            return
        box = self._box(shape, edge)
        inside = shape.inside(Grid(self.where.x[box], self.where.y[box]), edge)
        part = self.picture[box]
        part += (np.float32(value) - part) * (inside if share is None else inside * share[box])

    def _box(self, shape: Ellipse, edge: float) -> tuple[slice, slice]:
        reach = max(shape.a, shape.b) + edge + 8  # the grid may be bent by some millimetres
        size = len(self.picture)
        scale = size / float(self.where.x[size // 2, -1] - self.where.x[size // 2, 0])
        rows, columns = (
            slice(max(0, int((at - reach) * scale + size / 2)), max(0, int((at + reach) * scale + size / 2)))
            for at in (shape.y, shape.x)
        )
        return rows, columns


def enlarged(picture: Plane) -> Plane:
    """Twice as many pixels each way, smoothly between them (Catmull and Rom, 1974)."""
    for _ in range(2):  # rows, then columns
        around = np.pad(picture, ((2, 2), (0, 0)), mode="edge")
        count = len(picture)
        twice = np.empty((2 * count, picture.shape[1]), dtype=np.float32)
        near = [around[offset : offset + count + 1] for offset in range(4)]
        between = sum(part * np.float32(weight) for part, weight in zip(near, _QUARTER, strict=True))
        twice[1::2] = np.asarray(between)[1:]
        between = sum(part * np.float32(weight) for part, weight in zip(near, _QUARTER[::-1], strict=True))
        twice[0::2] = np.asarray(between)[:-1]
        picture = twice.T
    return picture


_QUARTER = (-0.0703125, 0.8671875, 0.2265625, -0.0234375)  # a quarter of the way from the second to the third


class Noise:
    """A smooth random field in three dimensions, of about unit strength; the same seed gives the same field."""

    def __init__(self, seed: int, cells: int, layers: int = 8) -> None:
        self.cells, self.layers = cells, layers
        knots = (layers + 3, cells + 3, cells + 3)
        self._knots = np.random.default_rng(seed).standard_normal(knots, dtype=np.float32) * np.float32(1.9)

    def plane(self, size: int, height: float) -> Plane:
        """The field on one plane; `height` runs from 0 to 1."""
        across = _weights(size, self.cells)
        up = _spline(np.array([height * self.layers], dtype=np.float32), self.layers)[0]
        knots = np.tensordot(up, self._knots, axes=1)
        return np.asarray(across @ knots @ across.T, dtype=np.float32)


@cache
def _weights(size: int, cells: int) -> Plane:
    return _spline(((np.arange(size) + 0.5) / size * cells).astype(np.float32), cells)


def _spline(at: Plane, cells: int) -> Plane:
    """Weights of the cells+3 knots of a cubic B-spline at each place."""
    first = np.clip(np.floor(at).astype(int), 0, cells - 1)
    t = (at - first).astype(np.float32)
    parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((len(at), cells + 3), dtype=np.float32)
    for offset, part in enumerate(parts):
        weights[np.arange(len(at)), first + offset] = part / 6
    return weights
