"""The DICOM file format (PS3.10 section 7.1): taken apart for uploads, and written in one way only."""

import struct

from scp.elements import LONG_VRS, UNDEFINED

Buffer = bytes | bytearray | memoryview
"""Encoded bytes, wherever they lie; wrap an mmap in a memoryview."""

PREAMBLE = b"\0" * 128 + b"DICM"
IMPLEMENTATION_CLASS_UID = "2.25.264902719338574631580945127780369485121"
IMPLEMENTATION_VERSION_NAME = "OVERREAD_1"
"""Both are part of every file's digest: changing them makes the same object look like another one."""

HEADLESS = (
    "This is a DICOM data set without the head of a file: 128 bytes, DICM and the file meta information (PS3.10) "
    "have to come first."
)

_FIRST_GROUPS = frozenset({b"\x02\0", b"\x08\0", b"\0\x02", b"\0\x08"})  # in either byte order
_META_ELEMENTS = 256
_TRANSFER_SYNTAX = 0x0010
_SHORT = struct.Struct("<HH2sH")
_LENGTH = struct.Struct("<L")


class NotDicom(Exception):  # noqa: N818 - it names what the file is
    """The file is not in the DICOM file format: name it to the person and skip it."""


def file_head(sop_class_uid: str, sop_uid: str, transfer_syntax: str) -> bytes:
    """Return preamble and file meta: the same arguments always give the same bytes."""
    group = b"".join(
        (
            _SHORT.pack(2, 0x0001, b"OB", 0) + _LENGTH.pack(2) + b"\0\1",
            _short_element(0x0002, b"UI", sop_class_uid),
            _short_element(0x0003, b"UI", sop_uid),
            _short_element(_TRANSFER_SYNTAX, b"UI", transfer_syntax),
            _short_element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _short_element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
        )
    )
    return PREAMBLE + _SHORT.pack(2, 0, b"UL", 4) + _LENGTH.pack(len(group)) + group


def split_part10(file: Buffer) -> tuple[str, memoryview]:
    """Return the transfer syntax and the data set of a file; raise NotDicom if it is none.

    Only the file meta is read, bounded, and by its elements rather than by its group length, which is often wrong.
    """
    data = memoryview(file).cast("B")
    if bytes(data[128:132]) != b"DICM":
        raise NotDicom(HEADLESS if bytes(data[:2]) in _FIRST_GROUPS else "This is not a DICOM file.")
    try:
        transfer_syntax, at = _read_meta(data)
    except (struct.error, UnicodeDecodeError) as error:
        raise NotDicom("The head of this DICOM file is damaged.") from error
    if not transfer_syntax:
        raise NotDicom("This DICOM file does not say how it is encoded.")
    return transfer_syntax, data[at:]


def _read_meta(data: memoryview) -> tuple[str, int]:
    transfer_syntax, at = "", len(PREAMBLE)
    for _ in range(_META_ELEMENTS):
        if at == len(data):
            return transfer_syntax, at
        group, element, vr, length = _SHORT.unpack_from(data, at)
        if group != 2:
            return transfer_syntax, at
        at += 8
        if vr in LONG_VRS:
            (length,) = _LENGTH.unpack_from(data, at)
            at += 4
        if length == UNDEFINED or at + length > len(data):
            raise NotDicom("The head of this DICOM file is damaged.")
        if element == _TRANSFER_SYNTAX:
            transfer_syntax = bytes(data[at : at + length]).rstrip(b"\0 ").decode("ascii")
        at += length
    raise NotDicom("The head of this DICOM file is damaged.")


def _short_element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return _SHORT.pack(2, element, vr, len(value)) + value
