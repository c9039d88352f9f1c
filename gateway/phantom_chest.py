"""A chest that nobody has, seen by a beam from behind: the attenuation along each ray, as a radiograph shows it.

Every organ adds (or, for air, takes away) what it attenuates times its depth along the beam. Patient's right is left.
"""

from __future__ import annotations

import numpy as np

from gateway.phantom_fields import Ellipse, Grid, Noise, Plane, enlarged, grid, step

FIELD = 380.0  # millimetres
BOTH_SIDES = (-1, 1)


def chest_radiograph(seed: int, size: int) -> Plane:
    """Brightness from 0 (nothing in the beam) to 1 (the densest bone), as MONOCHROME2 shows it; `size` is even."""
    half = size // 2  # an anatomy is smoother than its noise
    where = _bent(seed, half)
    lungs = _lungs(where)
    density = _trunk(where) - 0.98 * lungs
    density += _heart(where, lungs) + _vessels(where, lungs, seed)
    density += _spine(where) + _clavicles_and_scapulae(where)
    density += np.maximum.reduce([_rib(where, number, side) for number in range(1, 11) for side in BOTH_SIDES])
    density -= 0.30 * _trachea(where)
    density += 0.27 * Ellipse(-98, -38, 9.5, 8.5, 20).thickness(where)  # a nodule, for the reader to find
    density -= 0.38 * Ellipse(56, 138, 26, 15, 10).thickness(where)  # the stomach's air
    density += 0.03 * Noise(seed + 3, 90).plane(half, 0.5) * (0.3 + lungs)
    film = enlarged((1 / (1 + np.exp(-(density - 1.0) * 2.2))).astype(np.float32))
    rng = np.random.default_rng(seed)
    grain = rng.standard_normal(film.shape, dtype=np.float32) * 0.008
    result: Plane = np.clip((film - 0.115) / 0.80 + grain, 0, 1).astype(np.float32)
    return result


def _bent(seed: int, size: int) -> Grid:
    plain = grid(size, FIELD)
    return Grid(
        plain.x + Noise(seed, 4).plane(size, 0.5) * np.float32(2.5),
        plain.y + Noise(seed + 1, 4).plane(size, 0.5) * np.float32(2.5),
    )


def _trunk(where: Grid) -> Plane:
    """Neck, shoulders and the wall of the chest."""
    x, y = np.abs(where.x), where.y
    shoulder = -172 + 26 * step(x - 78, 80) + 0.0011 * x**2
    below = step((y - shoulder).astype(np.float32), 14)
    wall = 178 + 26 * step(-y - 30, 130) - 5 * step(y - 60, 160)
    side = step((wall - x).astype(np.float32), 9)
    thick = 0.80 + 0.42 * np.sqrt(np.clip(1 - (x / 196) ** 2, 0, 1)) + 0.16 * step(y - 105, 90)
    neck = step(np.float32(50) - x, 16) * np.float32(1.2)
    breast = sum(Ellipse(s * 88, 75, 62, 48).thickness(where) for s in BOTH_SIDES) * np.float32(0.08)
    result: Plane = (np.maximum(neck, below * side * thick) + breast * below).astype(np.float32)
    return result


def _lungs(where: Grid) -> Plane:
    """Depth of air: rounded apices, flat towards the mediastinum, cut off by the diaphragm."""
    total = np.zeros_like(where.x)
    for side, centre, dome in ((-1, -79.0, 82.0), (1, 82.0, 94.0)):
        width = 60 + 14 * step(where.y + 20, 160)
        sideways = (where.x - np.float32(centre - side * 7 * np.float32(1))) / width
        height = (where.y - 10) / 152
        rim = np.clip(1 - np.abs(sideways) ** 2.6 - np.abs(height) ** 2.4, 0, 1)
        diaphragm = dome + 0.0042 * (where.x - side * 74) ** 2
        total += np.sqrt(rim) * step(diaphragm - where.y, 5) * step(np.abs(where.x) - 21, 7)
    result: Plane = total.astype(np.float32)
    return result


def _heart(where: Grid, lungs: Plane) -> Plane:
    """The heart, the arch of the aorta and the mediastinum, in front of the lungs."""
    heart = 0.80 * Ellipse(26, 52, 62, 47, 30).thickness(where) ** 0.7
    right = 0.66 * Ellipse(-12, 50, 34, 44).thickness(where) ** 0.7
    middle = 0.42 * step(np.float32(27) - np.abs(where.x - 2), 9) * step(where.y + 120, 40)
    arch = 0.40 * Ellipse(25, -50, 17, 17).thickness(where)
    descending = 0.22 * Ellipse(20, 30, 13, 95, 2).thickness(where)
    cava = 0.25 * Ellipse(-22, -45, 12, 50).thickness(where)
    trunk = 0.26 * Ellipse(33, -14, 17, 20).thickness(where)
    soft = np.maximum.reduce([heart, right, arch, cava, trunk, middle]) + descending * 0.6
    result: Plane = (soft * (0.25 + 0.75 * np.clip(lungs * 1.6, 0, 1))).astype(np.float32)
    return result


def _vessels(where: Grid, lungs: Plane, seed: int) -> Plane:
    """Vessels that branch from the hila and thin out; drawn as chains of discs."""
    rng, total = np.random.default_rng(seed + 7), np.zeros_like(where.x)
    scale = len(total) / FIELD
    for side in BOTH_SIDES:
        for turn in np.linspace(-72, 78, 8) + rng.normal(0, 7, 8):
            _branch(total, (side * 32.0, 2.0), (turn if side > 0 else 180 - turn, 3.9), rng, scale)
    hila = sum(0.15 * Ellipse(s * 35, 0, 12, 25, s * -20).thickness(where) for s in BOTH_SIDES)
    result: Plane = ((total + hila) * np.clip(lungs * 1.3, 0, 1)).astype(np.float32)
    return result


def _branch(
    total: Plane, start: tuple[float, float], way: tuple[float, float], rng: np.random.Generator, scale: float
) -> None:
    (x, y), (turn, radius) = start, way
    while radius > 0.75:
        for _ in range(int(radius * 4.6)):
            x, y = x + 1.5 * float(np.cos(np.radians(turn))), y + 1.5 * float(np.sin(np.radians(turn)))
            turn += float(rng.normal(0, 2.2))
            _disc(total, (x, y), radius, scale)
        if radius > 1.15:
            _branch(total, (x, y), (turn + float(rng.uniform(18, 38)), radius * 0.66), rng, scale)
        turn, radius = turn - float(rng.uniform(8, 24)), radius * 0.78


def _disc(total: Plane, centre: tuple[float, float], radius: float, scale: float) -> None:
    size, reach = len(total), radius * scale + 1
    column, row = (centre[0] + FIELD / 2) * scale, (centre[1] + FIELD / 2) * scale
    low_x, low_y = max(0, int(column - reach)), max(0, int(row - reach))
    part = total[low_y : min(size, int(row + reach) + 1), low_x : min(size, int(column + reach) + 1)]
    rows, columns = np.ogrid[low_y : low_y + part.shape[0], low_x : low_x + part.shape[1]]
    depth = np.sqrt(np.clip(1 - ((rows - row) ** 2 + (columns - column) ** 2) / (radius * scale) ** 2, 0, 1))
    np.maximum(part, (depth * radius * 0.045).astype(np.float32), out=part)


def _spine(where: Grid) -> Plane:
    """Vertebral bodies and discs, their processes, faint through the heart."""
    phase = (where.y + 200) / (19 + 0.012 * (where.y + 200))
    body = 0.17 + 0.07 * step(np.float32(0.36) - np.abs((phase % 1) - np.float32(0.5)), 0.16)
    column = body * np.sqrt(np.clip(1 - (where.x / 17) ** 2, 0, 1))
    spinous = step(np.float32(0.18) - np.abs((phase % 1) - np.float32(0.2)), 0.1)
    process = 0.05 * step(np.float32(4) - np.abs(where.x), 3) * spinous
    result: Plane = ((column + process) * step(where.y + 188, 20)).astype(np.float32)
    return result


def _clavicles_and_scapulae(where: Grid) -> Plane:
    total = np.zeros_like(where.x)
    for side in BOTH_SIDES:
        along = np.clip((where.x * side - 12) / 140, 0, 1)
        line = -86 - 26 * along + 13 * np.sin(along * 6.0)
        total += 0.27 * _tube(where.y - line, 6.4) * step(where.x * side - 12, 6) * step(150 - where.x * side, 6)
        blade = Ellipse(side * 150, -42, 26, 66, side * -16).inside(where, 6)
        total += 0.09 * blade + 0.16 * Ellipse(side * 163, -92, 20, 13, side * 20).thickness(where)
        total += 0.30 * Ellipse(side * 186, -74, 22, 26).thickness(where)
    return total


def _rib(where: Grid, number: int, side: int) -> Plane:
    """One rib: its back part falls gently outwards, turns at the wall, and its front part comes down inwards."""
    top = -146 + 21.5 * number
    wall = 78 + 94 * (1 - np.exp(-number / 2.1))
    along = np.clip(where.x * side / wall, 0, 1)
    reach = step(where.x * side - 16, 6) * step(np.float32(wall) - where.x * side, 4)
    back = top - 14 + 34 * along**1.5 + 60 * np.clip(along - 0.72, 0, 1) ** 1.5
    front = top + 92 - 52 * along**2.4 + (4 - number) * 2
    first = _tube(where.y - back, 5.4) * reach
    second = _tube(where.y - front, 6.2) * step(where.x * side - 52, 26) * reach * (0.62 if number < 8 else 0.0)
    result: Plane = (0.17 * np.maximum(first, second)).astype(np.float32)
    return result


def _tube(distance: Plane, radius: float) -> Plane:
    """A hollow bone across the beam: brighter along its rims."""
    inner = np.clip(1 - (distance / (radius * 0.72)) ** 2, 0, 1)
    outer = np.clip(1 - (distance / radius) ** 2, 0, 1)
    result: Plane = np.sqrt(outer) - 0.55 * np.sqrt(inner)
    return result


def _trachea(where: Grid) -> Plane:
    tube = np.sqrt(np.clip(1 - ((where.x + 3) / 9.5) ** 2, 0, 1)) * step(-where.y - 22, 10) * step(where.y + 190, 20)
    for side, length in ((-1, 26), (1, 36)):
        fork = (where.y + 24) - (where.x * side) * 0.75
        tube = np.maximum(
            tube,
            0.7
            * np.sqrt(np.clip(1 - (fork / 8) ** 2, 0, 1))
            * step(where.x * side, 4)
            * step(length - where.x * side, 6),
        )
    result: Plane = tube.astype(np.float32)
    return result
