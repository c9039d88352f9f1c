"""A file written again in explicit little endian: implicit and big endian never go out over DICOMweb (PS3.18 8.7.3).

Values are kept byte for byte but for the order of their bytes; what is compressed is not touched.
"""

from __future__ import annotations

import struct
from array import array
from typing import Final

from orthanc.elements import CODECS, Element, Part10
from orthanc.heads import EXPLICIT_LITTLE
from orthanc.representations import LONG_VRS, PIXEL_DATA

_LONG_NAMES = frozenset(vr.decode() for vr in LONG_VRS)
_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2sHL")
_ITEM = struct.Struct("<HHL")
_WIDTHS = {"AT": 2, "FD": 8, "FL": 4, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2, "SL": 4, "SS": 2}
_WIDTHS |= {"SV": 8, "UL": 4, "US": 2, "UV": 8}
_ARRAYS = {2: "H", 4: "I", 8: "Q"}
BITS_ALLOCATED: Final = 0x00280100
FILE_META_LENGTH: Final = 0x00020000
TRANSFER_SYNTAX: Final = 0x00020010


def needs_reencoding(part10: Part10) -> bool:
    """Tell whether a file must not go out as it is."""
    return part10.transfer_syntax in CODECS


def explicit_little(part10: Part10) -> bytes:
    """Write the file in explicit little endian."""
    return b"".join((meta_in_explicit_little(part10), *explicit_elements(part10, part10.elements)))


def explicit_elements(part10: Part10, elements: tuple[Element, ...]) -> list[bytes | memoryview]:
    """Write some top-level elements of a file in explicit little endian."""
    return _Writer(part10).dataset(elements)


def meta_in_explicit_little(part10: Part10) -> bytes:
    """Write preamble and file meta, which say explicit little endian."""
    meta = b"".join(
        head_of(element.tag, element.vr, len(value)) + value
        for element in part10.meta
        if element.tag != FILE_META_LENGTH
        for value in [_meta_value(part10, element)]
    )
    group_length = head_of(FILE_META_LENGTH, "UL", 4) + struct.pack("<L", len(meta))
    return b"".join((bytes(part10.data[:132]), group_length, meta))


def _meta_value(part10: Part10, element: Element) -> bytes:
    if element.tag != TRANSFER_SYNTAX:
        return part10.value(element)
    uid = EXPLICIT_LITTLE.uid.encode("ascii")
    return uid + b"\0" * (len(uid) % 2)


class _Writer:
    __slots__ = ("_data", "_pixel_width", "_swapped")

    def __init__(self, part10: Part10) -> None:
        self._data = part10.data
        self._swapped = part10.swapped
        bits = next((part10.value(one) for one in part10.elements if one.tag == BITS_ALLOCATED), b"")
        # Cells of 32 and 64 bits are swapped as a whole, smaller ones in 16-bit words (PS3.5 8.1.1).
        self._pixel_width = {32: 4, 64: 8}.get(int.from_bytes(bits, "big" if self._swapped else "little"), 2)

    def dataset(self, elements: tuple[Element, ...]) -> list[bytes | memoryview]:
        """Write one data set, without the group lengths, which would be wrong now."""
        written: list[bytes | memoryview] = []
        for element in elements:
            if element.tag & 0xFFFF:
                written += self._element(element)
        return written

    def _element(self, element: Element) -> list[bytes | memoryview]:
        if element.items is not None:
            content = [part for item in element.items for part in self._item(item)]
            return [head_of(element.tag, "SQ", sum(map(len, content))), *content]
        value = self._value(element)
        padding = [b" " if element.vr in {"UC", "UR", "UT"} else b"\0"] if len(value) % 2 else []
        return [head_of(element.tag, element.vr, len(value) + len(padding)), value, *padding]

    def _item(self, elements: tuple[Element, ...]) -> list[bytes | memoryview]:
        content = self.dataset(elements)
        return [_ITEM.pack(0xFFFE, 0xE000, sum(map(len, content))), *content]

    def _value(self, element: Element) -> bytes | memoryview:
        value = self._data[element.offset : element.offset + element.length]
        if not self._swapped:
            return value
        width = _WIDTHS.get(element.vr, 1)
        if element.tag == PIXEL_DATA and element.vr == "OW":
            width = self._pixel_width
        return _swap(value, width)


def _swap(value: memoryview, width: int) -> bytes | memoryview:
    if width == 1:
        return value
    whole = len(value) - len(value) % width
    numbers = array(_ARRAYS[width])
    numbers.frombytes(value[:whole])
    numbers.byteswap()
    return numbers.tobytes() + bytes(value[whole:])


def head_of(tag: int, vr: str, length: int) -> bytes:
    """Write an element's head; a value too long for its VR's short form goes as UN (PS3.5 6.2.2)."""
    group, number = tag >> 16, tag & 0xFFFF
    if vr not in _LONG_NAMES and length <= 0xFFFF:
        return _SHORT.pack(group, number, vr.encode("ascii"), length)
    name = vr if vr in _LONG_NAMES else "UN"
    return _LONG.pack(group, number, name.encode("ascii"), 0, length)
