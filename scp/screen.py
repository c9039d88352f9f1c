"""A linear, bounded look at an encoded data set, before any parser may see it.

Parsers recurse on what a stranger wrote, and read a truncated object without complaint. This walk keeps its own stack,
visits each element once, jumps over values and allocates nothing for them. What it lets through is complete, nested no
deeper than `MAX_DEPTH`, and names itself by four well-formed UIDs.
"""

import re
import sys
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from scp import elements as el
from scp.part10 import Buffer, NotDicom, split_part10
from scp.reasons import Reason, Unacceptable
from scp.syntaxes import DEFLATED, Encoding, encoding_of

__all__ = [
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "Identity",
    "NotDicom",
    "Unacceptable",
    "screen",
    "screen_message",
    "split_part10",
    "uid_text",
]

MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 1_000_000
_NO_END: Final = sys.maxsize
_FIRST_GROUP: Final = 0x00080000
_MISPLACED_GROUPS = {0x0000: Reason.META_INSIDE, 0x0002: Reason.META_INSIDE, 0x0004: Reason.DIRECTORY}
_WANTED: dict[int, str] = {
    0x00080016: "SOP Class UID",
    0x00080018: "SOP Instance UID",
    0x0020000D: "Study Instance UID",
    0x0020000E: "Series Instance UID",
}
_UID = re.compile(rb"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")


@dataclass(frozen=True, slots=True)
class Identity:
    """What an object says it is; each UID is at most 64 characters of digits and dots (PS3.5 section 9.1)."""

    sop_class_uid: str
    sop_uid: str
    study_uid: str
    series_uid: str


def screen(dataset: Buffer, transfer_syntax: str) -> Identity:
    """Return who the object is, or raise Unacceptable.

    `dataset` is without preamble and file meta. Linear in the number of elements; recursion-free.
    """
    walk = _walked(dataset, transfer_syntax)
    return Identity(*(walk.uid(tag) for tag in _WANTED))


def screen_message(dataset: Buffer, transfer_syntax: str) -> None:
    """Look at a data set that is no object, e.g. the arguments of an action, in the same way; raise Unacceptable."""
    _walked(dataset, transfer_syntax)


def uid_text(value: bytes, name: str) -> str:
    """Read a UID's value, without its padding; raise Unacceptable when it is missing or not well-formed."""
    stripped = value.rstrip(b"\0 ")
    if not stripped:
        raise Unacceptable(Reason.MISSING_UID, name)
    if len(stripped) > 64 or not _UID.fullmatch(stripped):
        raise Unacceptable(Reason.BAD_UID, name)
    return stripped.decode("ascii")


def _walked(dataset: Buffer, transfer_syntax: str) -> "_Walk":
    encoding = encoding_of(transfer_syntax)
    if encoding is None:
        raise Unacceptable(Reason.DEFLATED if transfer_syntax in DEFLATED else Reason.UNKNOWN_SYNTAX)
    walk = _Walk(memoryview(dataset).cast("B"), encoding)
    walk.run()
    return walk


class _Open(NamedTuple):
    """A sequence or item that we are within. `limit` is where the nearest enclosing defined length ends."""

    end: int
    limit: int
    is_sequence: bool
    codec: el.Codec


class _Walk:
    def __init__(self, data: memoryview, encoding: Encoding) -> None:
        self.data = data
        self.left = MAX_ELEMENTS
        self.found: dict[int, bytes] = {}
        self.open = [_Open(len(data), len(data), False, el.CODECS[encoding])]

    def run(self) -> None:
        at = 0
        while self.open:
            level = self.open[-1]
            at = self._items(at, level) if level.is_sequence else self._elements(at, level)

    def uid(self, tag: int) -> str:
        return uid_text(self.found.get(tag, b""), _WANTED[tag])

    def _elements(self, at: int, level: _Open) -> int:
        """Walk elements until the level ends or a sequence opens; return where to go on."""
        data, limit, top = self.data, level.limit, len(self.open) == 1
        read = level.codec.head
        while at < level.end:
            if at + 8 > limit or self.left < 0:
                raise self._overrun(limit, at)
            tag, kind, length, value = read(data, at, limit)
            self.left -= 1
            if top and (tag in _WANTED or tag < _FIRST_GROUP):
                if tag == 0:
                    return self._skip_padding(at)
                self._note(tag, kind, length, value)
            end = value + length
            if kind <= el.UNKNOWN and end <= limit:
                if kind == el.VALUE or not self._hides_sequence(tag, length, value):
                    at = end
                    continue
                kind = el.FOREIGN_SEQUENCE
            return self._leave_run(kind, tag, length, value)
        self.open.pop()
        return at

    def _leave_run(self, kind: int, tag: int, length: int, value: int) -> int:
        """Deal with what is not an ordinary value that lies within its level."""
        level = self.open[-1]
        if kind == el.DELIMITER:
            if tag != el.END_OF_ITEM or level.end != _NO_END:
                raise Unacceptable(Reason.MALFORMED, f"stray delimiter at byte {value - 8}")
            self.open.pop()
            return value
        if kind == el.FRAGMENTS:
            return self._skip_fragments(value, level)
        if kind <= el.UNKNOWN:
            raise self._overrun(level.limit, value)
        codec = el.CODECS[Encoding.IMPLICIT_LITTLE] if kind == el.FOREIGN_SEQUENCE else level.codec
        self._enter(value, length, codec, is_sequence=True)
        if len(self.open) > 2 * MAX_DEPTH:
            raise Unacceptable(Reason.TOO_DEEP)
        return value

    def _items(self, at: int, level: _Open) -> int:
        """Enter the sequence's next item, or leave the sequence."""
        if at == level.end:
            self.open.pop()
            return at
        if at + 8 > level.limit or self.left < 0:
            raise self._overrun(level.limit, at)
        group, element, length = level.codec.tag_and_length.unpack_from(self.data, at)
        tag = group << 16 | element
        self.left -= 1
        if tag == el.ITEM:
            self._enter(at + 8, length, level.codec, is_sequence=False)
        elif tag == el.END_OF_SEQUENCE and level.end in {_NO_END, at + 8}:
            self.open.pop()
        else:
            raise Unacceptable(Reason.MALFORMED, f"no item at byte {at}")
        return at + 8

    def _enter(self, at: int, length: int, codec: el.Codec, *, is_sequence: bool) -> None:
        limit = self.open[-1].limit
        end = _NO_END if length == el.UNDEFINED else at + length
        if end != _NO_END:
            if end > limit:
                raise self._overrun(limit, at)
            limit = end
        self.open.append(_Open(end, limit, is_sequence, codec))

    def _skip_fragments(self, at: int, level: _Open) -> int:
        """Jump over encapsulated pixel data, whose fragments are opaque (PS3.5 section A.4)."""
        data, limit, unpack = self.data, level.limit, level.codec.tag_and_length.unpack_from
        while at + 8 <= limit and self.left >= 0:
            group, element, length = unpack(data, at)
            at += 8
            tag = group << 16 | element
            if tag == el.END_OF_SEQUENCE:
                return at
            if tag != el.ITEM or length == el.UNDEFINED:
                raise Unacceptable(Reason.MALFORMED, f"no fragment at byte {at - 8}")
            self.left -= 1
            at += length
        raise self._overrun(limit, at)

    def _skip_padding(self, at: int) -> int:
        """Accept zeros to the end of the data, which some burners of CDs leave, and nothing else of group 0000."""
        if bytes(self.data[at:]).strip(b"\0"):
            raise Unacceptable(Reason.META_INSIDE)
        return len(self.data)

    def _hides_sequence(self, tag: int, length: int, value: int) -> bool:
        """Tell whether a value of unknown VR is a sequence: parsers would open it by their dictionaries."""
        if length < 8 or bytes(self.data[value : value + 4]) != b"\xfe\xff\x00\xe0":
            return False
        return not dictionary_has_tag(tag) or dictionary_VR(tag) == "SQ"

    def _note(self, tag: int, kind: int, length: int, value: int) -> None:
        if tag >> 16 in _MISPLACED_GROUPS:
            raise Unacceptable(_MISPLACED_GROUPS[tag >> 16])
        if tag not in _WANTED:
            return
        if tag in self.found:
            raise Unacceptable(Reason.TWO_UIDS, _WANTED[tag])
        if kind > el.UNKNOWN or length > 128:
            raise Unacceptable(Reason.BAD_UID, _WANTED[tag])
        self.found[tag] = bytes(self.data[value : value + length])

    def _overrun(self, limit: int, at: int) -> Unacceptable:
        """Tell an object of too many elements, one that ends early, and a part that overruns what holds it."""
        if self.left < 0:
            return Unacceptable(Reason.TOO_MANY)
        reason = Reason.TRUNCATED if limit == len(self.data) else Reason.MALFORMED
        return Unacceptable(reason, f"at byte {at}")
