"""Which media type a frame of each transfer syntax has on the web (PS3.18 tables 8.7.3-2 to 8.7.3-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
NATIVE: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})
OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Compression:
    """How a compressed frame is called.

    `default`: the transfer syntax is meant when a client names the media type alone. `lossy`: there is nothing better
    to be had, so that it is also given to a client that names no transfer syntax at all (8.7.3).
    """

    media_types: tuple[str, ...]
    default: bool = False
    lossy: bool = False

    @property
    def decodable(self) -> bool:
        """Whether its frames are images that decoders of ours may know; a video is one stream."""
        return any(kind.startswith("image/") for kind in self.media_types)


COMPRESSIONS: Final[dict[str, Compression]] = {
    "1.2.840.10008.1.2.5": Compression(("image/dicom-rle", "image/x-dicom-rle"), default=True),
    "1.2.840.10008.1.2.4.50": Compression(("image/jpeg",), lossy=True),
    "1.2.840.10008.1.2.4.51": Compression(("image/jpeg",), lossy=True),
    "1.2.840.10008.1.2.4.53": Compression(("image/jpeg",), lossy=True),
    "1.2.840.10008.1.2.4.55": Compression(("image/jpeg",), lossy=True),
    "1.2.840.10008.1.2.4.57": Compression(("image/jpeg",)),
    "1.2.840.10008.1.2.4.70": Compression(("image/jpeg",), default=True),
    "1.2.840.10008.1.2.4.80": Compression(("image/jls", "image/x-jls"), default=True),
    "1.2.840.10008.1.2.4.81": Compression(("image/jls", "image/x-jls"), lossy=True),
    "1.2.840.10008.1.2.4.90": Compression(("image/jp2",), default=True),
    "1.2.840.10008.1.2.4.91": Compression(("image/jp2",), lossy=True),
    "1.2.840.10008.1.2.4.92": Compression(("image/jpx",), default=True),
    "1.2.840.10008.1.2.4.93": Compression(("image/jpx",), lossy=True),
    "1.2.840.10008.1.2.4.100": Compression(("video/mpeg2",), default=True, lossy=True),
    "1.2.840.10008.1.2.4.101": Compression(("video/mpeg2",), lossy=True),
    "1.2.840.10008.1.2.4.102": Compression(("video/mp4",), default=True, lossy=True),
    "1.2.840.10008.1.2.4.103": Compression(("video/mp4",), lossy=True),
    "1.2.840.10008.1.2.4.104": Compression(("video/mp4",), lossy=True),
    "1.2.840.10008.1.2.4.105": Compression(("video/mp4",), lossy=True),
    "1.2.840.10008.1.2.4.106": Compression(("video/mp4",), lossy=True),
    "1.2.840.10008.1.2.4.107": Compression(("video/mp4",), lossy=True),
    "1.2.840.10008.1.2.4.108": Compression(("video/mp4",), lossy=True),
    "1.2.840.10008.1.2.4.110": Compression(("image/jxl",), default=True),
    "1.2.840.10008.1.2.4.111": Compression(("image/jxl",), lossy=True),
    "1.2.840.10008.1.2.4.112": Compression(("image/jxl",), lossy=True),
    "1.2.840.10008.1.2.4.201": Compression(("image/jphc",), default=True),
    "1.2.840.10008.1.2.4.202": Compression(("image/jphc",)),
    "1.2.840.10008.1.2.4.203": Compression(("image/jphc",), lossy=True),
}

UNNAMED: Final = Compression(())
"""A private or future transfer syntax: its frames are octets, for a client that takes what is stored."""


def compression_of(transfer_syntax: str) -> Compression | None:
    """How its frames are called; None for the native transfer syntaxes."""
    if transfer_syntax in NATIVE:
        return None
    return COMPRESSIONS.get(transfer_syntax, UNNAMED)
