"""An instance as DICOM JSON (PS3.18 Annex F): compact, tags ascending, large values by address.

The addresses are relative to the instance ("bulk/00420011", in items "bulk/54000100/1/54001010"); `with_base` makes
them absolute. Values that break their VR never raise: text stays text, a number that is none becomes text where the
standard allows text and null where it does not, and a value of a wrong length goes out as the bytes that it is.
One thing is left out: a window through which nothing can be seen (`orthanc.windows`).
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from config.text import Charset, charset, decode
from orthanc.bulk import BINARY_VRS, Bulk, bulk_of, is_bulk
from orthanc.elements import Element, Part10
from orthanc.windows import drop_senseless

SPECIFIC_CHARACTER_SET: Final = 0x00080005
LARGEST_EXACT: Final = 2**53
"""Beyond it a JavaScript number is not the number any more."""

_ADDRESS: Final = b'"BulkDataURI":"'
_INTEGER = re.compile(r"[+-]?\d{1,15}")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_FORMATS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d", "AT": "HH"}
_PACKED = {vr: struct.Struct(f"<{fields}") for vr, fields in _FORMATS.items()}
_LOCAL = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Text in the character set of the data set; all other text is ASCII (PS3.5 6.1.2.2)."""
_SINGLE = frozenset({"LT", "ST", "UR", "UT"})
"""Text in which a backslash is a backslash."""

Json = dict[str, Any]
"""A part of the DICOM JSON model on its way into orjson."""


class Metadata(NamedTuple):
    """The JSON object of one instance, and where the values are that it gives addresses of."""

    json: bytes
    bulk: dict[str, Bulk]


def instance_metadata(part10: Part10) -> Metadata:
    """Turn an explicit or implicit little endian file into its metadata."""
    bulk: dict[str, Bulk] = {}
    whole = _Writer(part10, bulk).dataset(part10.elements, "", ("ascii",))
    return Metadata(orjson.dumps(whole), bulk)


def with_base(json: bytes, base: bytes) -> bytes:
    """Make the addresses absolute; `base` is the instance's URL with a slash at its end.

    Nothing that somebody wrote into a value can look like an address: a quotation mark inside a JSON string has a
    backslash before it.
    """
    return json.replace(_ADDRESS, _ADDRESS + base)


class _Writer:
    __slots__ = ("_bulk", "_part10")

    def __init__(self, part10: Part10, bulk: dict[str, Bulk]) -> None:
        self._part10 = part10
        self._bulk = bulk

    def dataset(self, elements: tuple[Element, ...], path: str, codecs: Charset) -> Json:
        """Write one data set; `codecs` is the character set of the data set around it."""
        declared = next((self._part10.value(one) for one in elements if one.tag == SPECIFIC_CHARACTER_SET), b"")
        if declared or not path:
            codecs = charset(declared)
        written: Json = {}
        for element in sorted(elements, key=_tag):
            if element.tag & 0xFFFF:  # group lengths say nothing of a JSON object
                key = f"{element.tag:08X}"
                written[key] = self._attribute(element, path + key, codecs)
        drop_senseless(written)
        return written

    def _attribute(self, element: Element, path: str, codecs: Charset) -> Json:
        if element.items is not None:
            items = [self.dataset(item, f"{path}/{at}/", codecs) for at, item in enumerate(element.items, 1)]
            return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        if not element.length:
            return {"vr": element.vr}
        if is_bulk(element):
            self._bulk[path] = bulk_of(element)
            return {"vr": element.vr, "BulkDataURI": f"bulk/{path}"}
        return _inline(element.vr, self._part10.value(element), codecs)


def _tag(element: Element) -> int:
    return element.tag


def _inline(vr: str, value: bytes, codecs: Charset) -> Json:
    if vr in BINARY_VRS:
        return {"vr": vr, "InlineBinary": base64.b64encode(value).decode("ascii")}
    packed = _PACKED.get(vr)
    if packed is not None:
        return _numbers(vr, value, packed)
    text = decode(value, codecs) if vr in _LOCAL else decode(value, ("undeclared",))
    values = [text.rstrip(" \0")] if vr in _SINGLE else [part.strip(" \0") for part in text.split("\\")]
    if values == [""]:
        return {"vr": vr}
    convert = _CONVERSIONS.get(vr)
    return {"vr": vr, "Value": [convert(one) if convert else one or None for one in values]}


def _numbers(vr: str, value: bytes, packed: struct.Struct) -> Json:
    if len(value) % packed.size:
        return {"vr": "UN", "InlineBinary": base64.b64encode(value).decode("ascii")}
    if vr == "AT":
        return {"vr": vr, "Value": [f"{group:04X}{number:04X}" for group, number in packed.iter_unpack(value)]}
    values = [one for (one,) in packed.iter_unpack(value)]
    if vr in {"FL", "FD"}:
        values = [one if math.isfinite(one) else None for one in values]
    elif vr in {"UV", "SV"}:
        values = [one if abs(one) <= LARGEST_EXACT else str(one) for one in values]
    return {"vr": vr, "Value": values}


def _integer(text: str) -> int | float | str | None:
    return int(text) if _INTEGER.fullmatch(text) else _decimal(text)


def _decimal(text: str) -> int | float | str | None:
    """Return the number of an IS or DS, the text itself if it is none: both may be either (PS3.18 table F.2.3-1)."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text or None


def _person(text: str) -> dict[str, str] | None:
    """Split a person name into its component groups (PS3.18 F.2.2)."""
    groups = zip(_GROUPS, text.split("="), strict=False)
    return {name: cleaned for name, group in groups if (cleaned := group.strip(" \0"))} or None


_CONVERSIONS: dict[str, Callable[[str], Any]] = {"IS": _integer, "DS": _decimal, "PN": _person}
