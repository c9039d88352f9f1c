"""Which value representation an element has (PS3.5 6.2), where it does not say so itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pydicom.datadict import dictionary_VR, private_dictionary_VR

SHORT_NAMES = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
LONG_NAMES = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"
KNOWN_VRS: dict[bytes, str] = {name.encode(): name for name in f"{SHORT_NAMES} {LONG_NAMES}".split()}
LONG_VRS = frozenset(LONG_NAMES.encode().split())
UNDEFINED: Final = 0xFFFFFFFF
PIXEL_DATA: Final = 0x7FE00010
HIDDEN_SEQUENCE: Final = "UN SQ"
"""The element says UN, the dictionary says that it is a sequence."""

# Tags whose VR the dictionary leaves open. Implicit little endian is the one encoding in which we have to choose.
_BY_SIGN = "US or SS"
_OPEN = {"OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW", "OB or UN": "UN"}


class Creators:
    """The private creators of one data set, looked up when a private element needs its VR (PS3.5 section 7.8)."""

    __slots__ = ("_blocks", "_data")

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._blocks: dict[int, tuple[int, int]] = {}

    def note(self, tag: int, offset: int, length: int) -> None:
        """Remember where a private creator element has its value."""
        self._blocks[tag] = (offset, length)

    def of(self, tag: int) -> str:
        """Return who reserved the block of a private element, "" if nobody did."""
        offset, length = self._blocks.get(tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8, (0, 0))
        return bytes(self._data[offset : offset + min(length, 64)]).decode("latin-1").strip(" \0")


def resolve(tag: int, vr: str, length: int, creators: Creators, signed: bool) -> str:
    """Decide the VR: what the element says, unless it says nothing ("") or UN and the dictionaries know better.

    An element of VR UN and undefined length stays UN: it holds a sequence in implicit little endian.
    """
    if vr and (vr != "UN" or length == UNDEFINED):
        return vr
    known = _private_vr(tag, creators) if tag & 0x10000 else _standard_vr(tag)
    if length == UNDEFINED:
        return "SQ" if tag != PIXEL_DATA else "OB"
    if known == "SQ" and vr == "UN":
        return HIDDEN_SEQUENCE
    if known == _BY_SIGN:
        return "SS" if signed else "US"
    return known


@lru_cache(maxsize=8192)
def _standard_vr(tag: int) -> str:
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UL" if not tag & 0xFFFF else "UN"
    return _OPEN.get(vr, vr)


def _private_vr(tag: int, creators: Creators) -> str:
    number = tag & 0xFFFF
    if 0x10 <= number <= 0xFF:
        return "LO"
    if not number & 0xFF00:
        return "UL" if not number else "UN"
    return _known_private_vr(tag, creators.of(tag))


@lru_cache(maxsize=8192)
def _known_private_vr(tag: int, creator: str) -> str:
    try:
        vr = private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"
    return _OPEN.get(vr, vr)
