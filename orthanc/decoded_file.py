"""A compressed file written again with its frames decoded, for whoever takes no compression (PS3.18 section 8.7.3).

What stands behind the pixel data is left out: padding, and signatures that would no longer be true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from orthanc.cached import CachedInstance
from orthanc.elements import Element, Part10, read_part10
from orthanc.errors import Undecodable
from orthanc.reencode import BITS_ALLOCATED, explicit_elements, head_of, meta_in_explicit_little
from orthanc.representations import PIXEL_DATA

Native = Callable[[CachedInstance, int], bytes]
"""Decode one frame: `Decoder.native`."""

PHOTOMETRIC: Final = 0x00280004
PLANAR: Final = 0x00280006
OFFSET_TABLES: Final = frozenset({0x7FE00001, 0x7FE00002})
INTERPRETATIONS: Final = {
    "MONOCHROME1": "MONOCHROME1",
    "MONOCHROME2": "MONOCHROME2",
    "PALETTE COLOR": "PALETTE COLOR",
    "RGB": "RGB",
    "YBR_FULL": "YBR_FULL",
    "YBR_FULL_422": "YBR_FULL",
    "YBR_RCT": "RGB",
    "YBR_ICT": "RGB",
}
"""What the samples mean before and after decoding; what is not here cannot be said, so it is not decoded."""

_LONGEST: Final = 0xFFFFFFFE


class DecodedFile:
    """One compressed instance in explicit little endian, made while it is sent; `length` in bytes is known before."""

    def __init__(self, cached: CachedInstance, native: Native) -> None:
        """Decode the first frame. Raises Undecodable (never again), DecoderBusy (try again), and what `native` does."""
        self._cached, self._native = cached, native
        if not cached.frame_count:
            raise Undecodable("It has no frames that can be had one by one.")
        self._first = native(cached, 1)
        self._pixels = len(self._first) * cached.frame_count
        if self._pixels > _LONGEST:
            raise Undecodable("Decoded it is larger than an element may be.")
        (head,) = cached.read([(0, cached.index.header_length)])
        self._head = _head(read_part10(head), self._pixels + self._pixels % 2)
        self.length = len(self._head) + self._pixels + self._pixels % 2

    def pieces(self) -> Iterator[bytes]:
        """Yield the file. Raises Undecodable at a frame that has not the length of the first."""
        yield self._head
        yield self._first
        for number in range(2, self._cached.frame_count + 1):
            frame = self._native(self._cached, number)
            if len(frame) != len(self._first):
                raise Undecodable("Its frames differ in length.")
            yield frame
        if self._pixels % 2:
            yield b"\0"


def _head(part10: Part10, pixels: int) -> bytes:
    """Everything before the samples: file meta and elements as they are, but for what decoding changes."""
    elements = [element for element in part10.elements if element.tag not in OFFSET_TABLES and element.tag & 0xFFFF]
    written = [part for element in elements for part in _element(part10, element)]
    bits = next((part10.value(one) for one in elements if one.tag == BITS_ALLOCATED), b"")
    vr = "OW" if int.from_bytes(bits, "little") > 8 else "OB"
    return b"".join((meta_in_explicit_little(part10), *written, head_of(PIXEL_DATA, vr, pixels)))


def _element(part10: Part10, element: Element) -> list[bytes | memoryview]:
    if element.tag == PHOTOMETRIC:
        said = part10.value(element).decode("ascii", "replace").strip(" \0")
        if said not in INTERPRETATIONS:
            raise Undecodable("What its samples mean cannot be said without compression.")
        means = INTERPRETATIONS[said].encode()
        return [head_of(PHOTOMETRIC, "CS", len(means) + len(means) % 2), means, b" " * (len(means) % 2)]
    if element.tag == PLANAR:
        return [head_of(PLANAR, "US", 2), bytes(2)]
    return explicit_elements(part10, (element,))
