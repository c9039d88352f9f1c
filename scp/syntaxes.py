"""The transfer syntaxes that we take, by how their elements are written (PS3.5 Annex A)."""

from enum import Enum

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
"""Whole data sets under zlib: a bomb for whoever opens them, and hardly used. Never offered, never taken."""

_UNCOMPRESSED_OR_RLE = frozenset({EXPLICIT_LITTLE, "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.5"})
_COMPRESSED = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.8.")
"""JPEG and its kin, video, frame compression: also those of later editions, since only frames differ."""


class Encoding(Enum):
    """How one element is written."""

    IMPLICIT_LITTLE = "<"
    EXPLICIT_LITTLE = "<explicit"
    EXPLICIT_BIG = ">explicit"


def encoding_of(transfer_syntax: str) -> Encoding | None:
    """Tell how elements are written, or None for a deflated or a foreign (private) transfer syntax."""
    if transfer_syntax == IMPLICIT_LITTLE:
        return Encoding.IMPLICIT_LITTLE
    if transfer_syntax == EXPLICIT_BIG:
        return Encoding.EXPLICIT_BIG
    if transfer_syntax in DEFLATED:
        return None
    if transfer_syntax in _UNCOMPRESSED_OR_RLE or transfer_syntax.startswith(_COMPRESSED):
        return Encoding.EXPLICIT_LITTLE
    return None
