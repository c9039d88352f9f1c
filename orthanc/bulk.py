"""Where the large values of an instance lie in its file, and what they are."""

from __future__ import annotations

from typing import Final, NamedTuple

from orthanc.elements import Element

Piece = tuple[int, int]
"""Offset from the start of the file, and length, in bytes."""

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
INLINE_LIMIT: Final = 1024
"""A binary value longer than this is not part of the metadata but fetched by its BulkDataURI."""


class Bulk(NamedTuple):
    """One large value, as it lies in the file; that of encapsulated pixel data is all its fragments in a row."""

    vr: str
    pieces: tuple[Piece, ...]

    @property
    def length(self) -> int:
        """Bytes in all."""
        return sum(length for _, length in self.pieces)


def is_bulk(element: Element) -> bool:
    """Tell whether the metadata only says where the value is to be had."""
    if element.vr not in BINARY_VRS:
        return False
    return (
        element.length > INLINE_LIMIT or (element.tag in PIXEL_TAGS and element.length > 0) or bool(element.fragments)
    )


def bulk_of(element: Element) -> Bulk:
    """Say where the value lies; the basic offset table is not part of it."""
    if element.fragments is not None:
        return Bulk(element.vr, element.fragments[1:])
    return Bulk(element.vr, ((element.offset, element.length),))
