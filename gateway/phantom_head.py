"""A head that nobody has: tissues of one axial plane, from which CT and MR pixels are made.

Not anatomy to learn from; meant to look like a head at first sight, at every level from the skull base to the vertex.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gateway.phantom_fields import Canvas, Ellipse, Grid, Noise, Plane, band, grid, step

WIDTH, LENGTH, HEIGHT = 74.0, 94.0, 88.0  # half-axes of the skin


class Tissue(StrEnum):
    """What a voxel is made of."""

    AIR = "air"
    SKIN = "skin"
    FAT = "fat"
    MUSCLE = "muscle"
    CORTICAL = "cortical bone"
    MARROW = "marrow"
    CSF = "cerebrospinal fluid"
    GREY = "grey matter"
    WHITE = "white matter"
    BLOOD = "clotted blood"
    OEDEMA = "oedema"
    VITREOUS = "vitreous body"


Values = Mapping[Tissue, float]


@dataclass(frozen=True, slots=True)
class Lesion:
    """A round finding and the swelling around it, in millimetres from the centre of the head."""

    x: float
    y: float
    z: float
    radius: float
    core: Tissue
    rim: float


BOTH_SIDES = (-1, 1)


class Head:
    """One head; the seed shapes its outline, its gyri and its textures."""

    def __init__(self, seed: int, size: int, field_of_view: float, lesions: tuple[Lesion, ...] = ()) -> None:
        self.size, self.lesions = size, lesions
        self._grid = grid(size, field_of_view)
        self._bend = (Noise(seed, 5), Noise(seed + 1, 5))
        self._folds = (Noise(seed + 2, 32, 24), Noise(seed + 3, 22, 18))
        self._mottle = Noise(seed + 4, 60, 30)

    def plane(self, z: float, values: Values) -> Plane:
        """The image of one axial plane, `z` millimetres above the centre, when each tissue has its value."""
        height = float(np.clip((z + HEIGHT) / (2 * HEIGHT), 0, 1))
        bend_x, bend_y = (noise.plane(self.size, height) for noise in self._bend)
        where = Grid(self._grid.x + bend_x * np.float32(1.6), self._grid.y + bend_y * np.float32(1.8))
        depth, canvas = _depth(where, z), Canvas(where, values[Tissue.AIR])
        _coverings(canvas, depth, z, values)
        self._brain(canvas, depth, z, values)
        _face(canvas, z, values, step(depth - 3))
        texture = self._mottle.plane(self.size, height) * np.float32(values[Tissue.GREY] * 0.014)
        return canvas.picture + texture * (depth > 0)

    def _brain(self, canvas: Canvas, depth: Plane, z: float, values: Values) -> None:
        height = float(np.clip((z + HEIGHT) / (2 * HEIGHT), 0, 1))
        folds, ripple = (noise.plane(self.size, height) for noise in self._folds)
        brain, furrow = step(depth - 14), np.abs(folds)
        cortex = step(np.float32(33) - depth + 3 * ripple, 9)
        grey = np.maximum(step(np.float32(17.3) - depth, 2), cortex * step(np.float32(0.62) - furrow, 0.4))
        canvas.fill(values[Tissue.WHITE], brain)
        canvas.fill(values[Tissue.GREY], brain * grey)
        canvas.fill(values[Tissue.CSF], brain * cortex * step(np.float32(0.13) - furrow, 0.16))
        _deep_nuclei(canvas, z, values)
        _fissure(canvas, brain, z, values)
        for shape in _ventricles(z):
            canvas.ellipse(values[Tissue.CSF], shape, 1.6)
        for lesion in self.lesions:
            _lesion(canvas, lesion, z, values, ripple)


def _depth(where: Grid, z: float) -> Plane:
    """Millimetres below the skin."""
    shrink = max(0.02, max(0.0, 1 - max(z, 0.0) ** 2.4 / HEIGHT**2.4) ** 0.5)
    narrow = 1 - 0.06 * min(1.0, max(0.0, -z - 20) / 40)
    a, b = WIDTH * shrink * narrow, LENGTH * shrink
    egg = Grid(where.x * (1 + where.y / np.float32(900)), where.y)
    return (1 - Ellipse(0, 0, a, b).radius(egg)) * np.float32((a + b) / 2)


def _coverings(canvas: Canvas, depth: Plane, z: float, values: Values) -> None:
    for tissue, share in (
        (Tissue.SKIN, step(depth)),
        (Tissue.FAT, step(depth - 2.2)),
        (Tissue.CORTICAL, step(depth - np.float32(6.0))),
        (Tissue.MARROW, band(depth, 8.0, 10.5, 1.6)),
        (Tissue.CSF, step(depth - np.float32(12.5))),
    ):
        canvas.fill(values[tissue], share)
    under_the_skin = band(depth, 2.4, 6.4)
    for side in BOTH_SIDES:
        muscle = Ellipse(side * 67, -26, 11, 34, side * -7).cut(z, -40, 62)
        canvas.ellipse(values[Tissue.MUSCLE], muscle, 2, under_the_skin)


def _deep_nuclei(canvas: Canvas, z: float, values: Values) -> None:
    for side in BOTH_SIDES:
        for x, y, a, b, turn in ((11, -19, 4.5, 8, -14), (24, -4, 5.5, 15, -16), (10, 11, 7.5, 11, 18)):
            nucleus = Ellipse(side * x, y, a, b, side * turn).cut(z, 4, 19)
            canvas.ellipse(values[Tissue.GREY], nucleus, 2.5)


def _fissure(canvas: Canvas, brain: Plane, z: float, values: Values) -> None:
    """Between the hemispheres; behind it the cerebellum is divided by its tentorium."""
    across = np.abs(canvas.where.x + np.float32(0.4))
    along = step(np.abs(canvas.where.y + 4) - np.float32(34 if z < 40 else -5), 8)
    canvas.fill(values[Tissue.CSF], brain * step(np.float32(1.1) - across, 1.5) * along)
    if z < -18:
        arch = 38 + 0.022 * canvas.where.x**2
        tent = step(np.float32(1.2) - np.abs(canvas.where.y - arch + np.float32(0.5 * (z + 30))), 2)
        canvas.fill(values[Tissue.CSF], brain * tent * step(np.float32(42) - across, 4))


def _ventricles(z: float) -> list[Ellipse | None]:
    shapes: list[Ellipse | None] = [
        Ellipse(0, 4, 2.2, 12).cut(z, -4, 14),
        Ellipse(0, 36, 6.5, 4.5).cut(z, -29, 11),
        Ellipse(0, 3, 9, 5).cut(z, -20, 7),
    ]
    for side in BOTH_SIDES:
        shapes += [
            Ellipse(side * (7 + 0.10 * z), -25 + 0.3 * z, 5.4, 16, side * -17).cut(z, 13, 18),
            Ellipse(side * (12 + 0.14 * z), 24 - 0.2 * z, 6, 18, side * 18).cut(z, 13, 18),
            Ellipse(side * 9.5, 0, 5, 30, side * 2).cut(z, 23, 12),
            Ellipse(side * 32, -6, 2.6, 8, side * -35).cut(z, -17, 10),
            Ellipse(side * (45 - abs(z) * 0.2), -7, 11, 1.9, side * 30).cut(z, -5, 19),
        ]
    return shapes


def _lesion(canvas: Canvas, lesion: Lesion, z: float, values: Values, ripple: Plane) -> None:
    where = canvas.where
    distance = np.sqrt((where.x - lesion.x) ** 2 + ((where.y - lesion.y) * 0.8) ** 2 + (z - lesion.z) ** 2)
    depth = np.float32(lesion.radius) - distance.astype(np.float32) + ripple * np.float32(lesion.radius * 0.16)
    canvas.fill(values[Tissue.OEDEMA], step(depth + np.float32(lesion.rim), lesion.rim) * np.float32(0.85))
    canvas.fill(values[lesion.core], step(depth, 1.8))


def _face(canvas: Canvas, z: float, values: Values, below_skin: Plane) -> None:
    """Skull base: petrous bones, wings, orbits with their globes, sinuses, mastoid cells."""
    for side in BOTH_SIDES:
        orbit = Ellipse(side * 30, -55, 16, 22, side * 16)
        for tissue, shape in (
            (Tissue.CORTICAL, Ellipse(side * 38, 18, 27, 7, side * -38).cut(z, -44, 13)),
            (Tissue.CORTICAL, Ellipse(side * 40, -28, 24, 3.4, side * 24).cut(z, -36, 12)),
            (Tissue.CORTICAL, orbit.grown(2.5).cut(z, -46, 21.5)),
            (Tissue.FAT, orbit.cut(z, -46, 19.5)),
            (Tissue.MUSCLE, Ellipse(side * 24, -42, 2.3, 15, side * -22).cut(z, -44, 8)),
            (Tissue.MUSCLE, Ellipse(side * 31, -63, 12.6, 13).cut(z, -45, 13.5)),
            (Tissue.VITREOUS, Ellipse(side * 31, -63, 11.4, 11.8).cut(z, -45, 12.5)),
            (Tissue.GREY, Ellipse(side * 31.5, -71, 4.4, 2).cut(z, -45, 5)),
            (Tissue.AIR, Ellipse(side * 53, 33, 8, 7, side * 20).cut(z, -46, 12)),
            (Tissue.CORTICAL, Ellipse(side * 6.4, -60, 6.2, 17).cut(z, -52, 27)),
            (Tissue.AIR, Ellipse(side * 6.6, -60, 4.4, 15).cut(z, -52, 25)),
        ):
            canvas.ellipse(values[tissue], shape, 1.4, below_skin)
    canvas.ellipse(values[Tissue.CORTICAL], Ellipse(0, -33, 13, 10).cut(z, -50, 19), 1.4)
    canvas.ellipse(values[Tissue.AIR], Ellipse(0, -33, 11, 8).cut(z, -50, 16), 1.4)
