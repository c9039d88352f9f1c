"""A DICOM file taken apart without copying: every element's tag, VR, and where its value lies (PS3.5 7, PS3.10 7).

Linear, bounded in depth and number, and as forgiving as pydicom about what ends too early; offsets count from the start
of the file. Objects from outside were screened before they came here; objects from the archive may be anything.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from orthanc.errors import Unreadable
from orthanc.heads import (
    END_OF_ITEM,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Codec,
    as_found,
    explicit_head,
    implicit_head,
)
from orthanc.representations import HIDDEN_SEQUENCE, Creators, resolve

Buffer = bytes | bytearray | memoryview
"""Encoded bytes, wherever they lie; wrap an mmap in a memoryview."""

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
END_OF_SEQUENCE: Final = 0xFFFEE0DD
PIXEL_REPRESENTATION: Final = 0x00280103
TRANSFER_SYNTAX: Final = 0x00020010
MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 2_000_000
DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
CODECS = {IMPLICIT_LITTLE.uid: IMPLICIT_LITTLE, EXPLICIT_BIG.uid: EXPLICIT_BIG}


class Element(NamedTuple):
    """One element. Its value is `data[offset : offset + length]`; a sequence has items, encapsulated data fragments."""

    tag: int
    vr: str
    offset: int
    length: int
    items: tuple[tuple[Element, ...], ...] | None = None
    fragments: tuple[tuple[int, int], ...] | None = None


class Part10(NamedTuple):
    """A file taken apart. `swapped`: its numbers are big endian."""

    data: memoryview
    meta: tuple[Element, ...]
    transfer_syntax: str
    dataset_at: int
    elements: tuple[Element, ...]
    swapped: bool

    def value(self, element: Element) -> bytes:
        """Copy the value of an element."""
        return bytes(self.data[element.offset : element.offset + element.length])


def read_part10(file: Buffer, *, start: bool = False) -> Part10:
    """Take a file apart. Raises Unreadable if it is not DICOM, deflated, or cannot be followed to its end.

    `start`: this is only the first part of a file, which ends anywhere; what is cut off is left out.
    """
    data = memoryview(file).cast("B")
    if bytes(data[128:132]) != b"DICM":
        raise Unreadable("This is not a DICOM file.")
    try:
        meta, at = _read_meta(data, 132)
        transfer_syntax = _transfer_syntax(data, meta)
        codec = as_found(data, at, CODECS.get(transfer_syntax, EXPLICIT_LITTLE))
        elements, _ = _Walk(data, codec, start=start).dataset(at, len(data), codec, 0)
    except struct.error as error:
        raise Unreadable("This DICOM file is cut off inside an element's head.") from error
    return Part10(data, tuple(meta), transfer_syntax, at, elements, codec is EXPLICIT_BIG)


def _read_meta(data: memoryview, at: int) -> tuple[list[Element], int]:
    """Read the file meta by its elements: its group length is often wrong."""
    found: list[Element] = []
    while at + 8 <= len(data) and bytes(data[at : at + 2]) == b"\2\0":
        tag, vr, length, at = explicit_head(data, at, EXPLICIT_LITTLE)
        length = min(length, len(data) - at)
        found.append(Element(tag, vr, at, length))
        at += length
    return found, at


def _transfer_syntax(data: memoryview, meta: list[Element]) -> str:
    for element in meta:
        if element.tag == TRANSFER_SYNTAX:
            uid = bytes(data[element.offset : element.offset + element.length]).decode("ascii", "replace").strip(" \0")
            if uid in DEFLATED:
                raise Unreadable("Deflated DICOM files are not read.")
            return uid
    raise Unreadable("This DICOM file does not say how it is encoded.")


class _Walk:
    """One pass over one file."""

    __slots__ = ("_count", "_data", "_outer", "_signed", "_start")

    def __init__(self, data: memoryview, outer: Codec, *, start: bool) -> None:
        self._data = data
        self._outer = outer
        self._start = start
        self._count = 0
        self._signed = False

    def dataset(self, at: int, end: int, codec: Codec, depth: int) -> tuple[tuple[Element, ...], int]:
        """Read elements until `end` or the end of the item."""
        if depth > MAX_DEPTH:
            raise Unreadable("Sequences are nested too deeply.")
        found: list[Element] = []
        creators = Creators(self._data)
        head = explicit_head if codec.explicit else implicit_head
        while at + 8 <= end:
            try:
                tag, vr, length, at = head(self._data, at, codec)
            except struct.error:
                if self._start:
                    break
                raise
            if tag >> 16 == 0xFFFE:
                if tag == END_OF_ITEM:
                    break
                continue
            vr = resolve(tag, vr, length, creators, self._signed)
            element, at = self._element(tag, vr, (length, at, end), codec, depth)
            found.append(element)
            self._remember(element, creators)
        return tuple(found), at

    def _remember(self, element: Element, creators: Creators) -> None:
        """Keep what decides the VR of elements further on."""
        if element.tag & 0x1FF00 == 0x10000:
            creators.note(element.tag, element.offset, element.length)
        elif element.tag == PIXEL_REPRESENTATION and element.length:
            self._signed = 1 in self._data[element.offset : element.offset + 2]

    def _element(self, tag: int, vr: str, place: tuple[int, int, int], codec: Codec, depth: int) -> tuple[Element, int]:
        """Read one element whose head was read; return it and where the next one starts."""
        length, at, end = place
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise Unreadable("There are too many elements.")
        if vr == "SQ":
            return self._sequence(tag, place, codec, depth)
        if vr == HIDDEN_SEQUENCE:
            return self._hidden_sequence(tag, place, depth)
        if length != UNDEFINED:
            length = min(length, end - at)
            return Element(tag, vr, at, length), at + length
        if vr == "UN":
            return self._sequence(tag, place, IMPLICIT_LITTLE, depth)  # PS3.5 6.2.2 note 2
        fragments, after = self._fragments(at, end)
        return Element(tag, vr, at, after - at, fragments=fragments), after

    def _sequence(self, tag: int, place: tuple[int, int, int], codec: Codec, depth: int) -> tuple[Element, int]:
        length, start, limit = place
        at, end = start, limit if length == UNDEFINED else min(start + length, limit)
        items: list[tuple[Element, ...]] = []
        while at + 8 <= end:
            item, size = codec.item_head(self._data, at)
            at += 8
            if item == END_OF_SEQUENCE:
                break
            if item != ITEM:
                raise Unreadable(f"A sequence is damaged at byte {at - 8}.")
            inner = as_found(self._data, at, codec) if size and self._outer is EXPLICIT_LITTLE else codec
            stop = end if size == UNDEFINED else min(at + size, end)
            elements, after = self.dataset(at, stop, inner, depth + 1)
            items.append(elements)
            at = after if size == UNDEFINED else stop
        at = at if length == UNDEFINED else end
        return Element(tag, "SQ", start, at - start, items=tuple(items)), at

    def _hidden_sequence(self, tag: int, place: tuple[int, int, int], depth: int) -> tuple[Element, int]:
        """Read a sequence that was passed on as unknown; what does not read as one stays unknown."""
        length, at, end = place
        length = min(length, end - at)
        try:
            return self._sequence(tag, (length, at, end), IMPLICIT_LITTLE, depth)
        except (Unreadable, struct.error):
            return Element(tag, "UN", at, length), at + length

    def _fragments(self, at: int, end: int) -> tuple[tuple[tuple[int, int], ...], int]:
        """Read encapsulated fragments (PS3.5 A.4), the basic offset table first among them."""
        found: list[tuple[int, int]] = []
        while at + 8 <= end:
            item, size = EXPLICIT_LITTLE.item_head(self._data, at)
            at += 8
            if item != ITEM:
                break
            size = min(size, end - at)
            found.append((at, size))
            at += size
        return tuple(found), at
