"""A linear, bounded look at an encoded data set, before any parser may see it, while it comes or when it is there.

Parsers recurse on what a stranger wrote, and read a truncated object without complaint. What this lets through is
complete, nested no deeper than `MAX_DEPTH`, and names itself by four well-formed UIDs.
"""

import re
from dataclasses import dataclass

from scp.part10 import Buffer, NotDicom, split_part10
from scp.reasons import Reason, Unacceptable
from scp.syntaxes import DEFLATED, Encoding, encoding_of
from scp.walk import MAX_DEPTH, MAX_ELEMENTS, Walk

__all__ = [
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "NOT_READ",
    "Identity",
    "NotDicom",
    "Screening",
    "Unacceptable",
    "screen",
    "screen_message",
    "split_part10",
    "uid_text",
]

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


NOT_READ = Identity("", "", "", "")
"""An object of which nothing is known yet."""


class Screening:
    """The look at one object while it comes. After Unacceptable there is nothing more to ask of it."""

    def __init__(self, transfer_syntax: str, largest: int | None = None) -> None:
        """Raise Unacceptable for a transfer syntax that is not read here. `largest`: bytes of a data set, at most."""
        self._walk = Walk(_readable(transfer_syntax), _WANTED)
        self._left = largest

    def feed(self, piece: Buffer) -> None:
        """Take the next bytes of the data set, any number; raise Unacceptable as soon as that is sure."""
        data = memoryview(piece).cast("B")
        self._walk.feed(data)
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise Unacceptable(Reason.TOO_LARGE)

    def so_far(self) -> Identity:
        """Who the object says it is, as far as it was read; "" for what is not known, not well-formed or ambiguous."""
        found = {tag: value for tag, value in self._walk.found.items() if tag not in self._walk.twice}
        return Identity(*(_uid_or_nothing(found.get(tag, b""), name) for tag, name in _WANTED.items()))

    def finish(self) -> Identity:
        """Return who the object is, now that all of it was there, or raise Unacceptable."""
        self._walk.finish()
        return Identity(*(uid_text(self._walk.found.get(tag, b""), name) for tag, name in _WANTED.items()))


def screen(dataset: Buffer, transfer_syntax: str) -> Identity:
    """Return who the object is, or raise Unacceptable.

    `dataset` is without preamble and file meta. Linear in the number of elements; recursion-free.
    """
    screening = Screening(transfer_syntax)
    screening.feed(dataset)
    return screening.finish()


def screen_message(dataset: Buffer, transfer_syntax: str) -> None:
    """Look at a data set that is no object, e.g. the arguments of an action, in the same way; raise Unacceptable.

    Its UIDs are not read: a query may ask for a list of them (PS3.4 section C.2.2.2.2).
    """
    walk = Walk(_readable(transfer_syntax), {})
    walk.feed(memoryview(dataset).cast("B"))
    walk.finish()


def uid_text(value: bytes, name: str) -> str:
    """Read a UID's value, without its padding; raise Unacceptable when it is missing or not well-formed."""
    stripped = value.rstrip(b"\0 ")
    if not stripped:
        raise Unacceptable(Reason.MISSING_UID, name)
    if len(stripped) > 64 or not _UID.fullmatch(stripped):
        raise Unacceptable(Reason.BAD_UID, name)
    return stripped.decode("ascii")


def _uid_or_nothing(value: bytes, name: str) -> str:
    try:
        return uid_text(value, name)
    except Unacceptable:
        return ""


def _readable(transfer_syntax: str) -> Encoding:
    encoding = encoding_of(transfer_syntax)
    if encoding is None:
        raise Unacceptable(Reason.DEFLATED if transfer_syntax in DEFLATED else Reason.UNKNOWN_SYNTAX)
    return encoding
