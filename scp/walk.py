"""The walk over a data set's elements: pushed on by each piece of it, and never holding more than a few of its bytes.

It keeps its own stack, visits each element once, jumps over values and allocates nothing for them. Positions count
from the start of the data set. An element is looked at when `_LOOKAHEAD` bytes from its start on are there, or all
that will ever come; so the verdict does not depend on how the data set was cut into pieces.
"""

import sys
from typing import Final, NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from scp import elements as el
from scp.reasons import Reason, Unacceptable
from scp.syntaxes import Encoding

MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 1_000_000
_LONGEST_UID: Final = 128  # with any padding; a longer one is wrong
_LOOKAHEAD: Final = 12 + _LONGEST_UID
_HEAD: Final = 8
_NO_END: Final = sys.maxsize
_FIRST_GROUP: Final = 0x00080000
_MISPLACED_GROUPS = {0x0000: Reason.META_INSIDE, 0x0002: Reason.META_INSIDE, 0x0004: Reason.DIRECTORY}
_NOTHING: Final = memoryview(b"")


class _Open(NamedTuple):
    """What we are within. `limit` is where the nearest enclosing defined length ends."""

    end: int
    limit: int
    holds: int  # el.VALUE: elements, el.SEQUENCE: items, el.FRAGMENTS: fragments
    codec: el.Codec


class Walk:
    """One data set; `found` has the values of the wanted top-level elements, `twice` which came twice.

    Raises Unacceptable.
    """

    def __init__(self, encoding: Encoding, wanted: dict[int, str]) -> None:
        self.found: dict[int, bytes] = {}
        self.twice: set[int] = set()
        self._wanted = wanted
        self._open = [_Open(_NO_END, _NO_END, el.VALUE, el.CODECS[encoding])]
        self._left = MAX_ELEMENTS
        self._at = self._total = 0
        self._rest = b""
        self._is_padding = self._is_final = False
        self._data, self._base, self._last_start = _NOTHING, 0, 0

    def feed(self, piece: memoryview) -> None:
        """Go on as far as the piece lets us."""
        start = self._total
        self._total += len(piece)
        if self._at >= self._total:
            return
        if self._rest:
            window = self._rest + bytes(piece[:_LOOKAHEAD])
            self._go(memoryview(window), start - len(self._rest))
            if self._at < start:
                self._rest = window[self._at - self._base :]
                return
        self._go(piece, start)
        self._rest = bytes(piece[self._at - start :]) if self._at < self._total else b""
        self._data = _NOTHING

    def finish(self) -> None:
        """Look at the last bytes, and whether anything is missing."""
        self._is_final = True
        self._go(memoryview(self._rest), self._total - len(self._rest))

    def _go(self, data: memoryview, base: int) -> None:
        self._data, self._base = data, base
        self._last_start = base + len(data) - (_HEAD if self._is_final else _LOOKAHEAD)
        going = True
        while going and self._open and not self._is_padding:
            level = self._open[-1]
            if level.holds == el.VALUE:
                going = self._elements(level)
            else:
                going = self._items(level) if level.holds == el.SEQUENCE else self._fragments(level)
        if self._is_padding:
            self._skip_padding()

    def _elements(self, level: _Open) -> bool:
        """Walk elements until the level ends, a sequence opens, or the data end (False)."""
        at, data, base, last, limit = self._at, self._data, self._base, self._last_start, level.limit
        read, top = level.codec.head, len(self._open) == 1
        while at < level.end:
            if at > last or at + _HEAD > limit or self._left < 0:
                self._at = at
                return self._waits(level)
            tag, kind, length, value = read(data, at, base, limit)
            self._left -= 1
            if top and (tag in self._wanted or tag < _FIRST_GROUP):
                if tag == 0:
                    self._at, self._is_padding = at, True
                    return True
                self._note(tag, kind, length, value)
            end = value + length
            if kind <= el.UNKNOWN and end <= limit:
                if kind == el.VALUE or not self._hides_sequence(tag, length, value):
                    at = end
                    continue
                kind = el.FOREIGN_SEQUENCE
            self._at = value
            self._leave_run(level, kind, tag, length)
            return True
        self._at = at
        self._open.pop()
        return True

    def _waits(self, level: _Open) -> bool:
        """Wait for more bytes; at the end of the data leave what ends there, and refuse what does not."""
        if self._left < 0:
            raise Unacceptable(Reason.TOO_MANY)
        if self._at + _HEAD > level.limit:
            raise self._malformed()
        if not self._is_final:
            return False
        if self._at != self._total or len(self._open) > 1:
            raise Unacceptable(Reason.TRUNCATED, f"at byte {self._at}")
        self._open.pop()
        return True

    def _leave_run(self, level: _Open, kind: int, tag: int, length: int) -> None:
        """Deal with what is not an ordinary value that lies within its level; its value starts where we are."""
        if kind == el.DELIMITER:
            if tag != el.END_OF_ITEM or level.end != _NO_END or len(self._open) == 1:
                raise Unacceptable(Reason.MALFORMED, f"stray delimiter at byte {self._at - _HEAD}")
            self._open.pop()
        elif kind == el.FRAGMENTS:
            self._enter(el.UNDEFINED, level.codec, el.FRAGMENTS)
        elif kind <= el.UNKNOWN:
            raise self._malformed()
        else:
            codec = el.CODECS[Encoding.IMPLICIT_LITTLE] if kind == el.FOREIGN_SEQUENCE else level.codec
            self._enter(length, codec, el.SEQUENCE)
            if len(self._open) > 2 * MAX_DEPTH:
                raise Unacceptable(Reason.TOO_DEEP)

    def _items(self, level: _Open) -> bool:
        """Enter the sequence's next item, or leave the sequence."""
        if self._at == level.end:
            self._open.pop()
            return True
        if not self._is_there(level):
            return self._waits(level)
        tag, length = self._item_head(level)
        if tag == el.ITEM:
            self._enter(length, level.codec, el.VALUE)
        elif tag == el.END_OF_SEQUENCE and level.end in {_NO_END, self._at}:
            self._open.pop()
        else:
            raise Unacceptable(Reason.MALFORMED, f"no item at byte {self._at - _HEAD}")
        return True

    def _fragments(self, level: _Open) -> bool:
        """Jump over encapsulated pixel data, whose fragments are opaque (PS3.5 section A.4)."""
        while self._is_there(level):
            tag, length = self._item_head(level)
            if tag == el.END_OF_SEQUENCE:
                self._open.pop()
                return True
            if tag != el.ITEM or length == el.UNDEFINED:
                raise Unacceptable(Reason.MALFORMED, f"no fragment at byte {self._at - _HEAD}")
            self._at += length
        return self._waits(level)

    def _is_there(self, level: _Open) -> bool:
        return self._at <= self._last_start and self._at + _HEAD <= level.limit and self._left >= 0

    def _item_head(self, level: _Open) -> tuple[int, int]:
        group, element, length = level.codec.tag_and_length.unpack_from(self._data, self._at - self._base)
        self._at += _HEAD
        self._left -= 1
        return group << 16 | element, length

    def _enter(self, length: int, codec: el.Codec, holds: int) -> None:
        limit = self._open[-1].limit
        end = _NO_END if length == el.UNDEFINED else self._at + length
        if end != _NO_END:
            if end > limit:
                raise self._malformed()
            limit = end
        self._open.append(_Open(end, limit, holds, codec))

    def _skip_padding(self) -> None:
        """Accept zeros to the end of the data, which some burners of CDs leave, and nothing else of group 0000."""
        if bytes(self._data[self._at - self._base :]).strip(b"\0"):
            raise Unacceptable(Reason.META_INSIDE)
        self._at = self._base + len(self._data)

    def _hides_sequence(self, tag: int, length: int, value: int) -> bool:
        """Tell whether a value of unknown VR is a sequence: parsers would open it by their dictionaries."""
        start = value - self._base
        if length < 8 or bytes(self._data[start : start + 4]) != b"\xfe\xff\x00\xe0":
            return False
        return not dictionary_has_tag(tag) or dictionary_VR(tag) == "SQ"

    def _note(self, tag: int, kind: int, length: int, value: int) -> None:
        if tag >> 16 in _MISPLACED_GROUPS:
            raise Unacceptable(_MISPLACED_GROUPS[tag >> 16])
        name = self._wanted.get(tag)
        if name is None:
            return
        if tag in self.found:
            self.twice.add(tag)
            raise Unacceptable(Reason.TWO_UIDS, name)
        if kind > el.UNKNOWN or length > _LONGEST_UID:
            raise Unacceptable(Reason.BAD_UID, name)
        start = value - self._base
        self.found[tag] = bytes(self._data[start : start + length])

    def _malformed(self) -> Unacceptable:
        """A part overruns what holds it."""
        return Unacceptable(Reason.MALFORMED, f"at byte {self._at}")
