"""In which media types and transfer syntaxes a frame or a file can be had (PS3.18 sections 8.7.3 and 10.4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from dicomweb.accept import MULTIPART, Offer
from dicomweb.problems import bad_request
from dicomweb.syntaxes import EXPLICIT_LITTLE, OCTETS, compression_of

DICOM: Final = "application/dicom"
MOST_FRAMES: Final = 10_000

_LIST = re.compile(r"\d{1,9}(,\d{1,9})*")


def frame_numbers(text: str) -> list[int]:
    """Read a list of frame numbers, in the order in which they are asked for; 400 if it is none."""
    if not (text.isascii() and _LIST.fullmatch(text)):
        raise bad_request("The path has something that is no list of frame numbers.")
    numbers = [int(number) for number in text.split(",")]
    if len(numbers) > MOST_FRAMES:
        raise bad_request(f"More than {MOST_FRAMES} frames are asked for at once.")
    return numbers


def frame_offers(transfer_syntax: str, *, single: bool) -> tuple[Offer, ...]:
    """What a frame can be sent as: as it is stored first, then decoded; as a single part only if it is the only one."""
    return tuple(_frame_offers(transfer_syntax, single))


def file_offers(transfer_syntax: str, *, single: bool) -> tuple[Offer, ...]:
    """What an instance can be sent as: the file as it is kept, which is never implicit or big endian; then decoded."""
    return tuple(_file_offers(transfer_syntax, single))


def _file_offers(transfer_syntax: str, single: bool) -> Iterator[Offer]:
    compression = compression_of(transfer_syntax)
    syntaxes = [(transfer_syntax, _is_default(transfer_syntax))]
    if compression is not None and compression.decodable:
        syntaxes.append((EXPLICIT_LITTLE, not compression.lossy))
    for syntax, is_default in syntaxes:
        yield Offer(MULTIPART, DICOM, syntax, is_default)
        if single:
            yield Offer(DICOM, "", syntax, is_default)


def _is_default(transfer_syntax: str) -> bool:
    """Whether this is what a client gets that names no transfer syntax: explicit little endian, or nothing better."""
    compression = compression_of(transfer_syntax)
    return compression is None or compression.lossy


def _frame_offers(transfer_syntax: str, single: bool) -> Iterator[Offer]:
    compression = compression_of(transfer_syntax)
    if compression is None:
        yield Offer(MULTIPART, OCTETS, EXPLICIT_LITTLE)
        if single:
            yield Offer(OCTETS, "", EXPLICIT_LITTLE)
        return
    is_default = compression.default or compression.lossy
    yield Offer(MULTIPART, OCTETS, transfer_syntax, default_syntax=False)
    for media_type in compression.media_types:
        yield Offer(MULTIPART, media_type, transfer_syntax, is_default)
    yield Offer(MULTIPART, OCTETS, EXPLICIT_LITTLE)
    if single:
        yield Offer(OCTETS, "", transfer_syntax, default_syntax=False)
        for media_type in compression.media_types:
            yield Offer(media_type, "", transfer_syntax, is_default)
        yield Offer(OCTETS, "", EXPLICIT_LITTLE)
