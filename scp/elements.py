"""How one element's head is read in each encoding (PS3.5 section 7): tag, kind and length, nothing of its value."""

import struct
from dataclasses import dataclass
from typing import Final

from scp.reasons import Reason, Unacceptable
from scp.syntaxes import Encoding

UNDEFINED: Final = 0xFFFFFFFF
PIXEL_DATA: Final = 0x7FE00010
ITEM: Final = 0xFFFEE000
END_OF_ITEM: Final = 0xFFFEE00D
END_OF_SEQUENCE: Final = 0xFFFEE0DD
DELIMITER_GROUP: Final = 0xFFFE

# What the length of an element is the length of.
VALUE: Final = 0
UNKNOWN: Final = 1  # VR UN or implicit: a value, or a sequence that does not say so
SEQUENCE: Final = 2
FOREIGN_SEQUENCE: Final = 3  # of VR UN and undefined length: implicit little endian within (PS3.5 6.2.2)
FRAGMENTS: Final = 4
DELIMITER: Final = 5

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_KIND_WHEN_DEFINED = dict.fromkeys(LONG_VRS, VALUE) | {b"SQ": SEQUENCE, b"UN": UNKNOWN}
_KIND_WHEN_UNDEFINED = {b"SQ": SEQUENCE, b"UN": FOREIGN_SEQUENCE, b"OB": FRAGMENTS, b"OW": FRAGMENTS}

Head = tuple[int, int, int, int]
"""Tag, kind, length, and where the value starts."""


@dataclass(frozen=True, slots=True)
class Codec:
    """The fixed parts of an element's head in one encoding."""

    explicit: bool
    short: struct.Struct
    tag_and_length: struct.Struct
    length: struct.Struct

    def head(self, data: memoryview, at: int, base: int, limit: int) -> Head:
        """Read the head at `at`, of data that start at `base` and a container that ends at `limit`.

        The caller has seen to it that 8 bytes are there.
        """
        if not self.explicit:
            return self._implicit_head(data, at, base)
        group, element, vr, length = self.short.unpack_from(data, at - base)
        tag = group << 16 | element
        if vr in SHORT_VRS and group != DELIMITER_GROUP:
            return tag, VALUE, length, at + 8
        if group == DELIMITER_GROUP:
            return tag, DELIMITER, 0, at + 8
        if tag == 0 and vr == b"\0\0":
            return tag, VALUE, 0, at + 8
        if at + 12 > min(limit, base + len(data)):
            raise Unacceptable(Reason.TRUNCATED, f"at byte {at}")
        (length,) = self.length.unpack_from(data, at - base + 8)
        return _long_head(tag, vr, length, at)

    def _implicit_head(self, data: memoryview, at: int, base: int) -> Head:
        group, element, length = self.tag_and_length.unpack_from(data, at - base)
        tag = group << 16 | element
        if group == DELIMITER_GROUP:
            return tag, DELIMITER, 0, at + 8
        if length == UNDEFINED:
            return tag, FRAGMENTS if tag == PIXEL_DATA else SEQUENCE, length, at + 8
        return tag, UNKNOWN, length, at + 8


def _long_head(tag: int, vr: bytes, length: int, at: int) -> Head:
    if vr not in LONG_VRS:
        vr = _unknown_vr(vr, at)
    if length != UNDEFINED:
        return tag, _KIND_WHEN_DEFINED[vr], length, at + 12
    kind = _KIND_WHEN_UNDEFINED.get(vr)
    if kind is None:
        raise Unacceptable(Reason.MALFORMED, f"undefined length at byte {at}")
    return tag, kind, length, at + 12


def _unknown_vr(vr: bytes, at: int) -> bytes:
    """Read a VR of a later edition as UN, whose long form every new VR shares (PS3.5 7.1.2)."""
    if vr.isalpha() and vr.isupper():
        return b"UN"
    raise Unacceptable(Reason.MALFORMED, f"no value representation at byte {at}")


def _codec(order: str, *, explicit: bool) -> Codec:
    return Codec(explicit, *(struct.Struct(order + fields) for fields in ("HH2sH", "HHL", "L")))


CODECS: dict[Encoding, Codec] = {
    Encoding.IMPLICIT_LITTLE: _codec("<", explicit=False),
    Encoding.EXPLICIT_LITTLE: _codec("<", explicit=True),
    Encoding.EXPLICIT_BIG: _codec(">", explicit=True),
}
