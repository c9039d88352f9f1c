"""VOI windows that make sense (PS3.3 C.11.2.1.2); with one that does not, a viewer shows black, or no grey at all.

https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.11.2.html#sect_C.11.2.1.2
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

ANY_WIDTH: Final = frozenset({"LINEAR_EXACT", "SIGMOID"})
"""VOI LUT Functions for which every width above zero is one; for others it is at least 1."""

_CENTER, _WIDTH, _EXPLANATION, _FUNCTION = "00281050", "00281051", "00281055", "00281056"


def makes_sense(center: object, width: object, function: str) -> bool:
    """Whether pixels can be shown through this window; `function` is the VOI LUT Function, "" where none is given."""
    if not (_is_number(center) and isinstance(width, int | float) and _is_number(width)):
        return False
    return width > 0 if function in ANY_WIDTH else width >= 1


def own_window(dataset: Mapping[str, Any]) -> tuple[float, float, str] | None:
    """The first window of a data set of the DICOM JSON model: centre, width, function; None without one of sense."""
    center, width, said = (
        next(iter(dataset.get(tag, {}).get("Value", [])), None) for tag in (_CENTER, _WIDTH, _FUNCTION)
    )
    function = str(said) if said in ANY_WIDTH else "LINEAR"
    if not makes_sense(center, width, function):
        return None
    return float(str(center)), float(str(width)), function.lower().replace("_", "-")


def drop_senseless(dataset: dict[str, Any]) -> None:
    """Take windows that make no sense out of a data set of the DICOM JSON model, with what explains them."""
    centers, widths, function = (dataset.get(tag, {}).get("Value", []) for tag in (_CENTER, _WIDTH, _FUNCTION))
    pairs = enumerate(zip(centers, widths, strict=False))
    good = [at for at, (center, width) in pairs if makes_sense(center, width, str(*function[:1]))]
    if len(good) == len(centers) == len(widths):
        return
    for tag in {_CENTER, _WIDTH, _EXPLANATION} & dataset.keys():
        values = dataset[tag].get("Value", [])
        kept = [values[at] for at in good if at < len(values)]
        if kept:
            dataset[tag]["Value"] = kept
        else:
            del dataset[tag]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
