"""Studies of patients who do not exist, for the demonstration, for tests and for benchmarks.

Everything follows from a seed: another installation has other UIDs, a restart has the same ones, to the byte.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.demo_datasets import Names, Series, Visit, part10
from gateway.demo_images import (
    CONTRASTS,
    CT,
    CT_FIELD,
    DX,
    HOUNSFIELD,
    MR,
    MR_FIELD,
    SECONDARY_CAPTURE,
    chest_image,
    ct_plane,
    mr_plane,
    small_picture,
)
from gateway.identity import SELF_TEST_PATIENT
from gateway.phantom_fields import Plane, enlarged
from gateway.phantom_head import Head, Lesion, Tissue

LOWEST, HIGHEST = -48.0, 80.0  # the part of the head that is imaged, in millimetres around its centre
HEAD_CT = Visit(
    "DEMO^Ada Example", "DEMO-0001", "19580314", "F", "068Y", "CT HEAD W/O CONTRAST", "HEAD", "DEMO2611001",
    "20261102", "081530",
)  # fmt: skip
BRAIN_MR = Visit(
    "DEMO^Boris Example", "DEMO-0002", "19790922", "M", "047Y", "MR BRAIN W/O CONTRAST", "BRAIN", "DEMO2611002",
    "20261103", "142210",
)  # fmt: skip
CHEST = Visit(
    "DEMO^Clara Example", "DEMO-0003", "19910705", "F", "035Y", "XR CHEST PA", "CHEST", "DEMO2611003",
    "20261104", "100545",
)  # fmt: skip
LAST = CHEST  # of the demonstration: where it is, the others are
BENCH = Visit(
    "DEMO^Bench Example", "DEMO-0009", "19700101", "O", "056Y", "CT HEAD SYNTHETIC", "HEAD", "DEMO2611009",
    "20261105", "120000",
)  # fmt: skip
SELF_TEST = Visit(
    "Self-Test^Overread", SELF_TEST_PATIENT, "", "O", "", "SELF-TEST", "", "SELFTEST", "20260101", "000000"
)
BLEEDING = Lesion(27, 4, 8, 13, Tissue.BLOOD, rim=9)
SPOTS = tuple(
    Lesion(x, y, z, radius, Tissue.OEDEMA, rim=2)
    for x, y, z, radius in ((19, -31, 22, 4), (-21, 30, 20, 5), (-24, -6, 30, 4), (25, 14, 32, 3.5), (-17, -30, 10, 3))
)
TEXTURES = 4  # planes of noise, used in turn and shifted


@dataclass(frozen=True, slots=True)
class DemoStudy:
    """One study: what it is, in words, and its instances in DICOM's file format."""

    title: str
    instances: tuple[bytes, ...]


def demo_studies(seed: str) -> tuple[DemoStudy, ...]:
    """A CT of the head with a bleeding, an MR of the brain in two weightings, a radiograph of the chest."""
    names = Names(seed)
    return (
        DemoStudy("CT of the head: bleeding in the left basal ganglia", tuple(_head_ct(names))),
        DemoStudy("MR of the brain, T1 and T2: spots in the white matter", tuple(_brain_mr(names))),
        DemoStudy("Radiograph of the chest: a nodule in the right upper lobe", (_chest(names),)),
    )


def _head_ct(names: Names, slices: int = 32, size: int = 512) -> Iterator[bytes]:
    series = Series("CT", 2, "CT", CT, "HEAD AXIAL 4.0", "HEAD ROUTINE")
    head, noise = Head(11, size // 2, CT_FIELD, (BLEEDING,)), _noise(11, size, strength=3.2)
    for number, z in enumerate(np.linspace(LOWEST, HIGHEST, slices), 1):
        image = enlarged(head.plane(float(z), HOUNSFIELD)) + _shifted(noise, number)
        yield part10(ct_plane(names, HEAD_CT, series, (number, float(z), 4.0), image))


def _brain_mr(names: Names, slices: int = 24, size: int = 256) -> Iterator[bytes]:
    head, noise = Head(23, size, MR_FIELD, SPOTS), _noise(23, size, strength=11)
    for position, key in enumerate(CONTRASTS, 1):
        series = Series(key, position + 1, "MR", MR, f"AX {key}", "BRAIN ROUTINE")
        for number, z in enumerate(np.linspace(LOWEST + 4, HIGHEST - 8, slices), 1):
            image = np.abs(head.plane(float(z), CONTRASTS[key].values) + _shifted(noise, number))
            yield part10(mr_plane(names, BRAIN_MR, series, (number, float(z), 5.0), image))


def _chest(names: Names) -> bytes:
    series = Series("DX", 1, "DX", DX, "CHEST PA", "CHEST")
    return part10(chest_image(names, CHEST, series, seed=5))


def ct_series(slices: int, size: int = 512, seed: str = "bench", planes: int = 8) -> Iterator[bytes]:
    """A CT series of any length, quickly: slices of size x size x 16 bits (`size` even), 1 mm apart.

    Only so many planes are drawn; noise makes every slice another.
    """
    names, series = Names(seed), Series("CT", 1, "CT", CT, "SYNTHETIC 1.0", "SYNTHETIC")
    head, noise = Head(11, size // 2, CT_FIELD), _noise(zlib.crc32(seed.encode()), size, strength=4)
    drawn = [enlarged(head.plane(float(z), HOUNSFIELD)) for z in np.linspace(LOWEST, HIGHEST, planes)]
    for number in range(1, slices + 1):
        image = drawn[(number - 1) * planes // slices] + _shifted(noise, number)
        yield part10(ct_plane(names, BENCH, series, (number, float(number), 1.0), image))


def self_test_instance() -> tuple[str, bytes]:
    """A very small image that was never sent before: its SOP Instance UID and its file."""
    series = Series("OT", 1, "OT", SECONDARY_CAPTURE, "SELF-TEST", "")
    dataset = small_picture(Names(uuid.uuid4().hex), SELF_TEST, series)
    return str(dataset.SOPInstanceUID), part10(dataset)


def write_files(instances: Iterable[bytes], folder: Path) -> list[Path]:
    """Write instances as 0001.dcm, 0002.dcm … into a folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, content in enumerate(instances, 1):
        written.append(folder / f"{number:04}.dcm")
        written[-1].write_bytes(content)
    return written


def _noise(seed: int, size: int, strength: float) -> list[Plane]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((size, size), dtype=np.float32) * np.float32(strength) for _ in range(TEXTURES)]


def _shifted(noise: list[Plane], number: int) -> Plane:
    """Another texture for every slice: whole rows move, so that no two of a series are equal."""
    return np.roll(noise[number % len(noise)], 37 * number, axis=0)
