"""P-DATA-TF PDUs and the presentation data values in them (PS3.8 section 9.3.5 and Annex E)."""

import struct
from collections.abc import Iterator
from typing import Final

PDATA: Final = 0x04
COMMAND: Final = 0x01
LAST: Final = 0x02
PDU_HEAD: Final = struct.Struct(">BxL")
_PDV_HEAD: Final = struct.Struct(">LBB")

Pdv = tuple[int, int, memoryview]
"""Presentation context ID, message control header, fragment."""


class BadPdu(Exception):  # noqa: N818 - it says what the PDU is
    """The lengths in a PDU do not fit together, or nothing is in it."""


def pdvs(body: memoryview) -> Iterator[Pdv]:
    """Return what is in the body of a P-DATA-TF PDU, without copying; raise BadPdu where it does not add up."""
    at, end = 0, len(body)
    if not end:
        raise BadPdu("a PDU without presentation data values")
    while at < end:
        if at + _PDV_HEAD.size > end:
            raise BadPdu("a presentation data value is cut short")
        length, context_id, control = _PDV_HEAD.unpack_from(body, at)
        start, at = at + _PDV_HEAD.size, at + 4 + length
        if length < 2 or at > end:
            raise BadPdu("a presentation data value overruns its PDU")
        yield context_id, control & (COMMAND | LAST), body[start:at]


def pdata(context_id: int, control: int, fragment: bytes | memoryview) -> bytes:
    """Return a P-DATA-TF PDU of one presentation data value."""
    value = _PDV_HEAD.pack(len(fragment) + 2, context_id, control)
    return PDU_HEAD.pack(PDATA, len(value) + len(fragment)) + value + bytes(fragment)
