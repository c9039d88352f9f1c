"""The transfer syntaxes that we take, by how their elements are written (PS3.5 Annex A)."""

from enum import Enum

STANDARD_ROOT = "1.2.840.10008.1.2"
IMPLICIT_LITTLE = STANDARD_ROOT
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
"""Whole data sets under zlib: a bomb for whoever opens them, and hardly used. Never offered, never taken."""


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
    if transfer_syntax in DEFLATED or not transfer_syntax.startswith(STANDARD_ROOT + "."):
        return None
    return Encoding.EXPLICIT_LITTLE
