"""Which picture of which instance is meant: rendering parameters, and what stands for a series or a study.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_8.3.5.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from werkzeug.datastructures import MultiDict

from dicomweb.holdings import Held
from dicomweb.problems import bad_request, not_acceptable

LARGEST_SIDE: Final = 8192
THUMBNAIL: Final = (256, 256)
NO_PICTURES: Final = frozenset(
    {"SR", "PR", "KO", "DOC", "SEG", "RTSTRUCT", "RTPLAN", "REG", "FID", "PLAN", "AU", "ECG"}
)
"""Modalities whose instances stand for a study only where there is nothing better."""

_SIZE = re.compile(r"[1-9]\d{0,4},[1-9]\d{0,4}")
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?")
_FUNCTIONS: Final = frozenset({"linear", "linear-exact", "sigmoid"})
_QUALITY = re.compile(r"[1-9]\d?|100")
DEFAULT_QUALITY: Final = 90


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture shall look: it fits into `size`, None for its own; `window` is centre, width and function."""

    size: tuple[int, int] | None = None
    window: tuple[float, float, str] | None = None
    quality: int = DEFAULT_QUALITY


def look_of(query: MultiDict[str, str], size: tuple[int, int] | None) -> Look:
    """Read the rendering parameters; a value that cannot be meant is a 400."""
    viewport, window, quality = (_single(query, name) for name in ("viewport", "window", "quality"))
    return Look(
        size if viewport is None else _size(viewport),
        None if window is None else _window(window),
        DEFAULT_QUALITY if quality is None else _quality(quality),
    )


def representative(instances: Sequence[Held]) -> Held:
    """The middle instance of the first series that has pictures."""
    pictures = [one for one in instances if one.rows and one.modality not in NO_PICTURES]
    pictures = pictures or [one for one in instances if one.rows]
    if not pictures:
        raise not_acceptable("There is no picture in this.")
    of_first = [one for one in pictures if one.series_uid == pictures[0].series_uid]
    return of_first[len(of_first) // 2]


def _single(query: MultiDict[str, str], name: str) -> str | None:
    values = query.getlist(name)
    if len(values) > 1:
        raise bad_request(f"{name} may be given once only.")
    return values[0] if values else None


def _size(text: str) -> tuple[int, int]:
    if not _SIZE.fullmatch(text) or max(sides := [int(side) for side in text.split(",")]) > LARGEST_SIDE:
        raise bad_request("The viewport is no width and height.")
    return sides[0], sides[1]


def _window(text: str) -> tuple[float, float, str]:
    centre, width, function = ([*text.lower().split(","), "", ""])[:3]
    is_right = _NUMBER.fullmatch(centre) and _NUMBER.fullmatch(width) and text.count(",") in {1, 2}
    if not is_right or function not in _FUNCTIONS | {""} or float(width) <= 0:
        raise bad_request("The window is no centre, width and function.")
    return float(centre), float(width), function or "linear"


def _quality(text: str) -> int:
    if not _QUALITY.fullmatch(text):
        raise bad_request("The quality is no number between 1 and 100.")
    return int(text)
