"""Where each frame of an instance lies in its file, so that it is served without copying or decoding (PS3.5 8.2, A.4).

Native frames are arithmetic. Encapsulated ones are found by the extended or the basic offset table where these are
true, else by counting fragments, else by the marks with which compressed frames begin. What cannot be told apart has
no frames.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from orthanc.bulk import PIXEL_TAGS, Piece
from orthanc.elements import Element, Part10
from orthanc.errors import NoSuchFrame

MAX_FRAMES: Final = 1_000_000
EXTENDED_OFFSETS: Final = 0x7FE00001
EXTENDED_LENGTHS: Final = 0x7FE00002
VIDEO_PREFIXES = ("1.2.840.10008.1.2.4.10",)
"""MPEG-2, H.264 and H.265 (4.100 to 4.108): one stream, whose frames cannot be had one by one."""

_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")
"""How a frame of the JPEG family begins: SOI and a marker; JPEG 2000 SOC and SIZ; a JP2 box."""


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames of one length, one after the other."""

    start: int
    frame_length: int
    count: int

    def pieces(self, number: int) -> tuple[Piece, ...]:
        """Say where frame `number`, counted from 1, lies. Raises NoSuchFrame."""
        if not 1 <= number <= self.count:
            raise NoSuchFrame(f"There are {self.count} frames; number {number} is none of them.")
        return ((self.start + (number - 1) * self.frame_length, self.frame_length),)


@dataclass(frozen=True, slots=True)
class CompressedFrames:
    """Frames of one or more fragments each."""

    table: tuple[tuple[Piece, ...], ...]

    @property
    def count(self) -> int:
        """How many frames there are."""
        return len(self.table)

    def pieces(self, number: int) -> tuple[Piece, ...]:
        """Say where frame `number`, counted from 1, lies. Raises NoSuchFrame."""
        if not 1 <= number <= len(self.table):
            raise NoSuchFrame(f"There are {len(self.table)} frames; number {number} is none of them.")
        return self.table[number - 1]


Frames = NativeFrames | CompressedFrames
NO_FRAMES = CompressedFrames(())


def find_frames(part10: Part10) -> Frames:
    """Find the frames of a little endian file; NO_FRAMES if it has no pixels or they cannot be told apart."""
    top = {element.tag: element for element in part10.elements}
    pixels = next((top[tag] for tag in sorted(PIXEL_TAGS, reverse=True) if tag in top), None)
    if pixels is None or not pixels.length:
        return NO_FRAMES
    numbers = _Numbers(part10, top)
    if pixels.fragments is None:
        return _native(numbers, pixels)
    if part10.transfer_syntax.startswith(VIDEO_PREFIXES) or len(pixels.fragments) < 2:
        return NO_FRAMES
    return CompressedFrames(_compressed(numbers, part10.data, pixels.fragments))


class _Numbers:
    """The numbers of the image pixel module."""

    __slots__ = ("_part10", "_top")

    def __init__(self, part10: Part10, top: dict[int, Element]) -> None:
        self._part10 = part10
        self._top = top

    def unsigned(self, tag: int, otherwise: int) -> int:
        element = self._top.get(tag)
        if element is None or element.length < 2:
            return otherwise
        return int.from_bytes(self._part10.data[element.offset : element.offset + 2], "little")

    def text(self, tag: int) -> str:
        element = self._top.get(tag)
        return self._part10.value(element).decode("ascii", "replace").strip(" \0") if element else ""

    def offsets(self, tag: int) -> tuple[int, ...]:
        """Return the value of an extended offset table."""
        element = self._top.get(tag)
        value = self._part10.value(element) if element else b""
        return struct.unpack(f"<{len(value) // 8}Q", value[: len(value) // 8 * 8])

    @property
    def frames(self) -> int:
        """Number of Frames, 1 if it is not said."""
        said = self.text(0x00280008).partition(".")[0].lstrip("+")
        return max(1, int(said)) if said.isdecimal() and len(said) < 12 else 1


def _native(numbers: _Numbers, pixels: Element) -> Frames:
    samples = numbers.unsigned(0x00280002, 1)
    if numbers.text(0x00280004) == "YBR_FULL_422":
        samples = 2  # two of three samples are shared by pairs of pixels (PS3.3 C.7.6.3.1.2)
    bits = (
        numbers.unsigned(0x00280010, 0) * numbers.unsigned(0x00280011, 0) * samples * _bits_allocated(numbers, pixels)
    )
    if not bits:
        return NO_FRAMES
    if numbers.frames == 1:
        length = min((bits + 7) // 8, pixels.length)
        return NativeFrames(pixels.offset, length, 1) if length * 8 >= bits else NO_FRAMES
    if bits % 8:
        return NO_FRAMES  # frames of single bits that begin within a byte
    return NativeFrames(pixels.offset, bits // 8, min(numbers.frames, pixels.length // (bits // 8)))


def _bits_allocated(numbers: _Numbers, pixels: Element) -> int:
    return {0x7FE00008: 32, 0x7FE00009: 64}.get(pixels.tag) or numbers.unsigned(0x00280100, 16)


def _compressed(numbers: _Numbers, data: memoryview, fragments: tuple[Piece, ...]) -> tuple[tuple[Piece, ...], ...]:
    """Gather the fragments of each frame; the first fragment is the basic offset table."""
    (table_at, table_length), *rest = fragments
    count = min(numbers.frames, MAX_FRAMES)
    if count == 1:
        return (tuple(rest),)
    if extended := _by_extended_table(numbers, rest, count):
        return extended
    basic = struct.unpack(f"<{table_length // 4}L", data[table_at : table_at + table_length // 4 * 4])
    if len(basic) == count and (found := _by_starts(rest, basic)):
        return found
    if len(rest) == count:
        return tuple((fragment,) for fragment in rest)
    marked = [at - rest[0][0] for at, _ in rest if bytes(data[at : at + 12]).startswith(_STARTS)]
    return _by_starts(rest, tuple(marked)) if len(marked) == count else ()


def _by_starts(fragments: list[Piece], starts: tuple[int, ...]) -> tuple[tuple[Piece, ...], ...]:
    """Cut the fragments where frames start; offsets count from the first fragment's item. Empty if they do not fit."""
    origin = fragments[0][0]
    places = {at - origin: index for index, (at, _) in enumerate(fragments)}
    indices = [places.get(start, -1) for start in starts]
    if indices[0] != 0 or any(later <= earlier for earlier, later in pairwise(indices)):
        return ()
    return tuple(tuple(fragments[begin:end]) for begin, end in pairwise([*indices, len(fragments)]))


def _by_extended_table(numbers: _Numbers, fragments: list[Piece], count: int) -> tuple[tuple[Piece, ...], ...]:
    """Follow the extended offset table (PS3.3 C.7.6.3.1.8): one fragment per frame, with its length before padding."""
    starts, lengths = numbers.offsets(EXTENDED_OFFSETS), numbers.offsets(EXTENDED_LENGTHS)
    if len(starts) != count or len(lengths) != count:
        return ()
    frames = _by_starts(fragments, starts)
    if not all(len(frame) == 1 and length <= frame[0][1] for frame, length in zip(frames, lengths, strict=False)):
        return ()
    return tuple(((frame[0][0], length),) for frame, length in zip(frames, lengths, strict=False))
