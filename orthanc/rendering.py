"""One frame's pixels into an image that a browser shows (PS3.3 C.11.2, C.7.6.3). Runs only in the decoder process.

Grey: modality values, then the window that was asked for, or the VOI LUT or the window of the frame, or all values that
occur. Colour: RGB. What is larger than the size asked for is reduced to it; nothing is enlarged.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

from orthanc.protocol import Rendering, Window
from orthanc.windows import makes_sense

Pixels = NDArray[Any]
Grey = NDArray[np.float32]

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF"}
_SHARED: Final = "SharedFunctionalGroupsSequence"
_PER_FRAME: Final = "PerFrameFunctionalGroupsSequence"
_GROUPS = ("FrameVOILUTSequence", "PixelValueTransformationSequence")
"""Where an enhanced image keeps what others have at the top (PS3.3 C.7.6.16)."""


def picture(pixels: Pixels, image: Dataset, frame: int, how: Rendering) -> bytes:
    """Encode decoded pixels, (rows, columns) or (rows, columns, 3) as `image` describes them, as JPEG, PNG or GIF."""
    if pixels.ndim == 3:
        shown = _eight_bits(pixels, image)
    elif image.PhotometricInterpretation == "PALETTE COLOR":
        shown = (apply_color_lut(pixels, image) >> _palette_shift(image)).astype(np.uint8)
    else:
        shown = _grey(pixels, _of_frame(image, frame), how.window)
    drawn = Image.fromarray(np.ascontiguousarray(shown))
    if how.size:
        drawn.thumbnail(how.size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    out = io.BytesIO()
    drawn.save(out, _FORMATS[how.media_type], **({"quality": how.quality} if how.media_type == "image/jpeg" else {}))
    return out.getvalue()


def _grey(pixels: Pixels, image: Dataset, window: Window | None) -> NDArray[np.uint8]:
    values = apply_modality_lut(pixels, image)
    inverted = image.PhotometricInterpretation == "MONOCHROME1"
    table = None if window else _voi_table(image)
    if table is not None:
        scale = 2.0 ** int(table.LUTDescriptor[2]) - 1
        grey = apply_voi(values, image).astype(np.float32) / scale * 255
    else:
        chosen = window or _own_window(image) or _whole_range(values, pixels, image)
        grey = _CURVES[chosen.function](values.astype(np.float32), chosen) * 255
    shown: NDArray[np.uint8] = np.clip(np.nan_to_num(grey), 0, 255).astype(np.uint8)
    return np.invert(shown) if inverted else shown


def _voi_table(image: Dataset) -> Dataset | None:
    """Return the first VOI LUT, if there is one with a table in it."""
    tables: list[Dataset] = list(image.get("VOILUTSequence") or [])[:1]
    complete = (one for one in tables if one.get("LUTData") and len(one.get("LUTDescriptor") or ()) == 3)
    return next(complete, None)


def _linear(values: Grey, window: Window) -> Grey:
    if window.width <= 1:
        return (values > window.center - 0.5).astype(np.float32)
    return (values - np.float32(window.center - 0.5)) / np.float32(window.width - 1) + np.float32(0.5)


def _linear_exact(values: Grey, window: Window) -> Grey:
    return (values - np.float32(window.center)) / np.float32(window.width) + np.float32(0.5)


def _sigmoid(values: Grey, window: Window) -> Grey:
    slope = np.clip(-4 * (values - np.float32(window.center)) / np.float32(window.width), -80, 80)
    curve: Grey = 1 / (1 + np.exp(slope))
    return curve


_CURVES: dict[str, Callable[[Grey, Window], Grey]] = {
    "linear": _linear,
    "linear-exact": _linear_exact,
    "sigmoid": _sigmoid,
}


def _own_window(image: Dataset) -> Window | None:
    """Return the frame's first window, if it has one that makes sense."""
    center, width = (_first_number(image.get(name)) for name in ("WindowCenter", "WindowWidth"))
    named = str(image.get("VOILUTFunction") or "LINEAR")
    function = named.lower().replace("_", "-")
    if center is None or width is None or not makes_sense(center, width, named):
        return None
    return Window(center, width, function if function in _CURVES else "linear")


def _whole_range(values: Pixels, pixels: Pixels, image: Dataset) -> Window:
    """Return the window from the least to the greatest value that occurs, padding left out (PS3.3 C.7.5.1.1.2)."""
    padding = image.get("PixelPaddingValue")
    inside = np.isfinite(values)
    if isinstance(padding, int):
        inside &= pixels != padding
    found = values[inside] if inside.any() else np.zeros(1)
    least, greatest = float(found.min()), float(found.max())
    return Window((least + greatest) / 2, max(greatest - least, 1e-6), "linear-exact")


def _of_frame(image: Dataset, frame: int) -> Dataset:
    """Return the image with the frame's own window and rescale in the places where others have them."""
    if _SHARED not in image and _PER_FRAME not in image:
        return image
    flat = Dataset()
    flat.update({element.tag: element for element in image if element.VR != "SQ"})
    groups = [*image.get(_SHARED, [])[:1], *image.get(_PER_FRAME, [])[frame - 1 : frame]]
    for group in groups:
        for name in _GROUPS:
            for item in group.get(name, [])[:1]:
                flat.update(item)
    return flat


def _eight_bits(pixels: Pixels, image: Dataset) -> NDArray[np.uint8]:
    surplus = max(0, int(image.get("BitsStored", 8)) - 8)
    return (pixels >> surplus).astype(np.uint8)


def _palette_shift(image: Dataset) -> int:
    return max(0, int(image.RedPaletteColorLookupTableDescriptor[2]) - 8)


def _first_number(value: object) -> float | None:
    first = (
        value[0] if isinstance(value, list) or hasattr(value, "__getitem__") and not isinstance(value, str) else value
    )
    try:
        return float(str(first))
    except ValueError:
        return None
