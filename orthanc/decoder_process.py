"""The process that decodes: `python -m orthanc.decoder_process`, questions on its input, answers on its output.

It may crash, hang or ask for too much memory: it holds nothing, cannot write files, and ends itself by a timer even if
nobody is left to end it.
"""

from __future__ import annotations

import io
import os
import resource
import signal
import sys
import warnings
from functools import lru_cache
from typing import IO, Final

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from orthanc import codecs, rendering
from orthanc.protocol import FAILED, OK, READY, Question, receive_question, send_answer

MOST_BYTES: Final = 512 * 1024 * 1024
"""Of one decoded frame."""

GRACE_SECONDS: Final = 2.0
_COPIED = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


class _Refused(Exception):  # noqa: N818 - what happens to the question
    """The frame will not be decoded; the message says why."""


def main() -> None:
    """Answer questions until nobody asks any more."""
    warnings.simplefilter("ignore")
    codecs.register()
    memory = int(sys.argv[1])
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    questions, answers = _own_pipes()
    answers.write(READY)
    answers.flush()
    while (question := receive_question(questions)) is not None:
        signal.setitimer(signal.ITIMER_REAL, question.seconds + GRACE_SECONDS)
        status, content = _answer(question)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send_answer(answers, status, content)


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the pipes to ourselves: decoders print, and what they print is no answer."""
    questions, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    return os.fdopen(questions, "rb", 1 << 20), os.fdopen(answers, "wb", 1 << 20)


def _answer(question: Question) -> tuple[int, bytes]:
    try:
        return OK, _decoded(question)
    except _Refused as error:
        return FAILED, str(error).encode()
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever a decoder says is an answer
        return FAILED, f"No decoder can read it ({type(error).__name__}).".encode()


def _decoded(question: Question) -> bytes:
    image = _image(question.header)
    frame = _single_frame(image, question.pixels)
    decoder = get_decoder(frame.file_meta.TransferSyntaxUID)
    pixels, about = decoder.as_array(frame, index=0, raw=question.how is None)
    if question.how is None:
        return np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    image.PhotometricInterpretation = about["photometric_interpretation"]
    return rendering.picture(pixels, image, question.frame, question.how)


@lru_cache(maxsize=4)
def _image(header: bytes) -> Dataset:
    return dcmread(io.BytesIO(header))


def _single_frame(image: Dataset, pixels: bytes) -> Dataset:
    """Describe one frame as an instance of its own."""
    size = _unsigned(image, "Rows") * _unsigned(image, "Columns") * _unsigned(image, "SamplesPerPixel", 1)
    if not 0 < size * max(1, _unsigned(image, "BitsAllocated", 8) // 8) <= MOST_BYTES:
        raise _Refused("Its size is beyond what is shown.")
    frame = Dataset()
    for name in _COPIED:
        if name in image:
            frame[name] = image[name]
    syntax = UID(image.file_meta.TransferSyntaxUID)
    frame.file_meta = FileMetaDataset()
    frame.file_meta.TransferSyntaxUID = syntax
    frame.NumberOfFrames = 1
    padded = pixels + b"\0" * (len(pixels) % 2)
    _set_pixels(frame, encapsulate([padded]) if syntax.is_encapsulated else padded)
    return frame


def _set_pixels(frame: Dataset, content: bytes) -> None:
    bits = _unsigned(frame, "BitsAllocated", 8)
    if bits > 16 and "BitsStored" not in frame:
        name = {32: "FloatPixelData", 64: "DoubleFloatPixelData"}[bits]
        setattr(frame, name, content)
        return
    frame.PixelData = content
    frame["PixelData"].VR = "OB" if bits <= 8 else "OW"


def _unsigned(image: Dataset, name: str, otherwise: int = 0) -> int:
    value = image.get(name, otherwise)
    if not isinstance(value, int) or not 0 <= value <= 0xFFFF:
        raise _Refused("Its description is damaged.")
    return value


if __name__ == "__main__":
    main()
