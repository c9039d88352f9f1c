"""Decoders that pydicom does not find or does not trust by itself; registered in the decoder process.

OpenJPEG is the only one of ours for HTJ2K. GDCM reads 12-bit JPEG Extended as DCMTK does (pydicom refuses to ask
it). Each function decodes one frame as pydicom's plugins do: bytes in, samples out, what changed on the way set as an
option of the runner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import gdcm
from openjpeg.utils import decode_pixel_data as openjpeg_samples
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    RLELossless,
)
from rle.utils import decode_pixel_data as rle_samples

LABEL: Final = "overread"
_OPENJPEG = (JPEG2000Lossless, JPEG2000, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)
_CONTAINERS = ((8, 8), (16, 16), (32, 32))


def decode_jpeg2000(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame of the JPEG 2000 family with OpenJPEG, which undoes the colour transformation."""
    samples = openjpeg_samples(src, version=2, **runner.options)
    if runner.photometric_interpretation in {"YBR_ICT", "YBR_RCT"}:
        runner.set_option("photometric_interpretation", "RGB")
    precision = runner.get_option("j2k_precision", runner.bits_stored)
    runner.set_option("bits_allocated", next(bits for most, bits in _CONTAINERS if precision <= most))
    return bytes(samples)


def decode_rle(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode an RLE frame; the samples come one plane after the other."""
    samples = rle_samples(src, version=2, **runner.options)
    runner.set_option("planar_configuration", 1)
    return bytes(samples)


def decode_jpeg_12_bit(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame of JPEG Extended (Process 4) of 12 bits with GDCM."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(src)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetDataElement(element)
    said = gdcm.PhotometricInterpretation.GetPIType(str(runner.photometric_interpretation))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(said))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))))
    stored = runner.bits_stored
    layout = (runner.samples_per_pixel, runner.bits_allocated, stored, stored - 1, runner.pixel_representation)
    image.SetPixelFormat(gdcm.PixelFormat(*layout))
    return bytes(image.GetBuffer().encode("utf-8", "surrogateescape"))  # GDCM gives bytes as text


_PLUGINS: dict[UID, Callable[..., bytes]] = {
    **dict.fromkeys(_OPENJPEG, decode_jpeg2000),
    RLELossless: decode_rle,
    JPEGExtended12Bit: decode_jpeg_12_bit,
}
DECODER_DEPENDENCIES = {uid: ("overread",) for uid in _PLUGINS}
"""Read by pydicom from every plugin's module."""


def is_available(uid: str) -> bool:
    """Answer pydicom: these decoders are installed with us."""
    return uid in _PLUGINS


def register() -> None:
    """Add our decoders to pydicom's."""
    for uid, function in _PLUGINS.items():
        get_decoder(uid).add_plugin(LABEL, (__name__, function.__name__))
