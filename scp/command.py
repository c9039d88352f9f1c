"""The command sets of C-STORE, read and written by hand: implicit little endian, whatever was negotiated.

https://dicom.nema.org/medical/dicom/current/output/chtml/part07/sect_9.3.html
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from scp.pdv import COMMAND, LAST, pdata

C_STORE_RQ: Final = 0x0001
_C_STORE_RSP: Final = 0x8001
_NO_DATA_SET: Final = 0x0101  # PS3.7 section E.1: any other value says that there is one
_CLASS, _FIELD, _MESSAGE_ID, _ANSWERED_ID = 0x0002, 0x0100, 0x0110, 0x0120
_DATA_SET_TYPE, _STATUS, _COMMENT, _INSTANCE, _ORIGINATOR = 0x0800, 0x0900, 0x0902, 0x1000, 0x1030
_HEAD: Final = struct.Struct("<HHL")
_NUMBER: Final = struct.Struct("<H")


class NoCommand(Exception):  # noqa: N818 - it says what the bytes are
    """The bytes are no command set that could be answered: abort."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and, with a failure, its Error Comment (at most 64 characters)."""

    status: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What decides over a message. The UIDs are what the peer sent, without padding, and not checked.

    `originator`: whose C-MOVE it answers (Move Originator Application Entity Title), "" if nobody's.
    """

    field: int
    message_id: int
    has_data_set: bool
    sop_class_uid: str
    sop_uid: str
    originator: str = ""


def read_command(data: bytes) -> Command:
    """Read a command set; raise NoCommand if it is none, or a C-STORE request without a Message ID."""
    found = dict(_elements(data))
    field = _number(found, _FIELD)
    if field is None:
        raise NoCommand("no Command Field")
    message_id = _number(found, _MESSAGE_ID)
    if message_id is None and field == C_STORE_RQ:
        raise NoCommand("no Message ID")
    has_data_set = _number(found, _DATA_SET_TYPE) not in {None, _NO_DATA_SET}
    sop_class_uid, sop_uid, originator = (_text(found, one) for one in (_CLASS, _INSTANCE, _ORIGINATOR))
    return Command(field, message_id or 0, has_data_set, sop_class_uid, sop_uid, originator.strip(" "))


def store_response(context_id: int, request: Command, answer: Answer, longest_pdu: int) -> bytes:
    """Return the C-STORE response as P-DATA-TF PDUs; `longest_pdu` as the peer said it, 0 if it takes any."""
    elements = [
        _uid(_CLASS, request.sop_class_uid),
        _short(_FIELD, _C_STORE_RSP),
        _short(_ANSWERED_ID, request.message_id),
        _short(_DATA_SET_TYPE, _NO_DATA_SET),
        _short(_STATUS, answer.status),
        _element(_COMMENT, _even(answer.comment.encode("ascii"), b" ")) if answer.comment else b"",
        _uid(_INSTANCE, request.sop_uid),
    ]
    group = b"".join(elements)
    command = _element(0, struct.pack("<L", len(group))) + group
    size = max(longest_pdu - 6, 2) if longest_pdu else len(command)
    starts = range(0, len(command), size)
    return b"".join(
        pdata(context_id, COMMAND | (LAST if at + size >= len(command) else 0), command[at : at + size])
        for at in starts
    )


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        if at + _HEAD.size > len(data):
            raise NoCommand("an element is cut short")
        group, element, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if group or at + length > len(data):
            raise NoCommand("an element does not belong to a command")
        yield element, data[at : at + length]
        at += length


def _number(found: dict[int, bytes], element: int) -> int | None:
    value = found.get(element, b"")
    return _NUMBER.unpack(value)[0] if len(value) == _NUMBER.size else None


def _text(found: dict[int, bytes], element: int) -> str:
    return found.get(element, b"").rstrip(b"\0 ").decode("ascii", "replace")


def _element(element: int, value: bytes) -> bytes:
    return _HEAD.pack(0, element, len(value)) + value


def _short(element: int, number: int) -> bytes:
    return _element(element, _NUMBER.pack(number))


def _uid(element: int, uid: str) -> bytes:
    return _element(element, _even(uid.encode("ascii", "replace"), b"\0"))


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding * (len(value) % 2)
