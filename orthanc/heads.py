"""How an element's head is written in each encoding (PS3.5 section 7.1 and Annex A)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from orthanc.errors import Unreadable
from orthanc.representations import KNOWN_VRS, LONG_VRS

DELIMITER_GROUP: Final = 0xFFFE
END_OF_ITEM: Final = 0xFFFEE00D

Head = tuple[int, str, int, int]
"""Tag, VR as the element says it ("" if it does not), length, and where the value starts."""


@dataclass(frozen=True, slots=True)
class Codec:
    """The fixed parts of an element's head in one encoding."""

    uid: str
    explicit: bool
    short_head: struct.Struct
    implicit_head: struct.Struct
    length: struct.Struct

    def item_head(self, data: memoryview, at: int) -> tuple[int, int]:
        """Read the tag and the length of an item or a delimiter."""
        group, number, length = self.implicit_head.unpack_from(data, at)
        return group << 16 | number, length


def _codec(uid: str, order: str, *, explicit: bool) -> Codec:
    return Codec(uid, explicit, *(struct.Struct(order + fields) for fields in ("HH2sH", "HHL", "L")))


IMPLICIT_LITTLE = _codec("1.2.840.10008.1.2", "<", explicit=False)
EXPLICIT_LITTLE = _codec("1.2.840.10008.1.2.1", "<", explicit=True)
EXPLICIT_BIG = _codec("1.2.840.10008.1.2.2", ">", explicit=True)


def explicit_head(data: memoryview, at: int, codec: Codec) -> Head:
    """Read the head at `at`. Raises Unreadable if it has no VR, struct.error if it is cut off."""
    group, number, vr, length = codec.short_head.unpack_from(data, at)
    if group == DELIMITER_GROUP:
        return group << 16 | number, "", 0, at + 8
    name = KNOWN_VRS.get(vr)
    if name is None:
        if group == number == 0:
            return END_OF_ITEM, "", 0, at + 8  # zeros: padding at the end of a file
        if not (vr.isalpha() and vr.isupper()):
            raise Unreadable(f"No value representation at byte {at + 4}.")
        if length:  # the two reserved bytes of the long form are zero, so this is the short form
            return group << 16 | number, "UN", length, at + 8
        name = "UN"
    elif vr not in LONG_VRS:
        return group << 16 | number, name, length, at + 8
    return group << 16 | number, name, codec.length.unpack_from(data, at + 8)[0], at + 12


def implicit_head(data: memoryview, at: int, codec: Codec) -> Head:
    """Read the head at `at`; the VR is for the dictionaries to say. Raises struct.error if it is cut off."""
    group, number, length = codec.implicit_head.unpack_from(data, at)
    return group << 16 | number, "", 0 if group == DELIMITER_GROUP else length, at + 8


def as_found(data: memoryview, at: int, said: Codec) -> Codec:
    """Believe the first element rather than the file meta about explicit or implicit, as all readers do."""
    if at + 6 > len(data):
        return said
    looks_explicit = bytes(data[at + 4 : at + 6]) in KNOWN_VRS
    if looks_explicit == said.explicit:
        return said
    return EXPLICIT_LITTLE if looks_explicit else IMPLICIT_LITTLE
