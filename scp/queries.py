"""Queries of others in words of our own: what a C-FIND identifier asks, and what an answer's identifier says.

https://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_C.4.html
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from io import BytesIO
from typing import Any, Final

from pydicom import config as pydicom_config
from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS
from pynetdicom.dsutils import decode

from scp.part10 import Buffer
from scp.reasons import Unacceptable
from scp.screen import screen_message, uid_text
from scp.syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
QUERY_SYNTAXES: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})
MOST_BYTES: Final = 256 << 10
MOST_ANSWERS: Final = 10_000
UNIQUE_KEYS: Final[dict[str, tuple[int, ...]]] = {
    "STUDY": (),
    "SERIES": (0x0020000D,),
    "IMAGE": (0x0020000D, 0x0020000E),
}
"""The levels, and the unique keys of the levels above, each of which a query must name (C.4.1.2.1)."""
_LEVEL, _CHARACTER_SET = 0x00080052, 0x00080005
_TEXT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_NUMBERS: Final = frozenset({"US", "SS", "UL", "SL", "FL", "FD", "AT", "OB", "OW", "UN"})

Item = Mapping[str, Mapping[str, Any]]
"""One match in the DICOM JSON model: VR and values by tag."""


class Outcome(Enum):
    """How a query ends: status, in words (as Error Comment they are at most 64 characters), and what to do."""

    SUCCESS = (0x0000, "All matches were sent", "Nothing")
    CANCELLED = (0xFE00, "Stopped because of a C-CANCEL; what was sent before is right", "Nothing")
    NOT_AUTHORISED = (0x0124, "This application entity may not query", "Have the coordinator allow it")
    TOO_MANY = (0xA700, f"More than {MOST_ANSWERS:,} match; only these were sent", "Narrow the query")
    BUSY = (0xA700, "Too many queries at the same time", "Ask again when others have ended")
    TOO_LONG = (0xA700, "The query takes too long", "Narrow the query")
    NOT_NOW = (0xA700, "Cannot be answered just now", "Ask again later")
    NO_LEVEL = (0xA900, "Query/Retrieve Level must be STUDY, SERIES or IMAGE", "Correct the query")
    NO_UNIQUE_KEY = (0xA900, "One UID of each level above must be given", "Correct the query")
    UNREADABLE = (0xC001, "The identifier cannot be read", "Correct the query")
    NO_VALUE = (0xC002, "A key has a value that cannot be searched for", "Correct the query")

    @property
    def status(self) -> int:
        """The status of the last response."""
        return self.value[0]


PENDING: Final = 0xFF00
PENDING_UNSUPPORTED: Final = 0xFF01
"""A match, though one of the keys is not supported: not returned, or not matched on."""


class QueryEnded(Exception):  # noqa: N818 - it says how
    """The query ends otherwise than with all its matches; the message goes as Error Comment."""

    def __init__(self, outcome: Outcome, said: str = "") -> None:
        self.outcome = outcome
        super().__init__((said or outcome.value[1])[:64])


@dataclass(frozen=True, slots=True)
class Question:
    """What one application entity asks. `keys`: value by tag, "" for what shall only be returned.

    `odd` says that there are keys which nobody could match: a sequence with items, or a private one.
    """

    ae_title: str
    address: str
    level: str
    keys: Mapping[str, str] = field(default_factory=dict)
    odd: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """One answer, and whether all keys of the question are supported."""

    item: Item
    supported: bool


Matches = Generator[Match | None, None, None]
Ask = Callable[[Question], Matches]
"""Answers a question, match by match; None now and then while there is none yet. Raises QueryEnded."""


def nobody_knows(_: Question) -> Matches:
    """The answer of a receiver that has nobody to ask."""
    raise QueryEnded(Outcome.NOT_NOW)


def read_question(ae_title: str, address: str, identifier: Buffer, transfer_syntax: str) -> Question:
    """Read an identifier; raise QueryEnded. Nothing unscreened is parsed, and no value is taken for more than text."""
    if len(identifier) > MOST_BYTES:
        raise QueryEnded(Outcome.UNREADABLE)
    try:
        screen_message(identifier, transfer_syntax)
        said = decode(BytesIO(identifier), transfer_syntax == IMPLICIT_LITTLE, transfer_syntax != EXPLICIT_BIG)
        level, keys, odd = _keys(said)
    except QueryEnded:
        raise
    except Exception as error:  # pydicom raises whatever a malformed value makes it raise
        raise QueryEnded(Outcome.UNREADABLE) from error
    _check_hierarchy(level, keys)
    return Question(ae_title, address, level, keys, odd)


def as_identifier(match: Match, level: str) -> Dataset:
    """The identifier of a pending response, in UTF-8. Values are as they came once: none is judged again."""
    said = Dataset()
    said.SpecificCharacterSet, said.QueryRetrieveLevel = "ISO_IR 192", level
    for tag, element in match.item.items():
        values = [_written(element["vr"], one) for one in element.get("Value", ())]
        value = values if len(values) > 1 or element["vr"] == "SQ" else values[0] if values else None
        said.add(DataElement(int(tag, 16), element["vr"], value, validation_mode=pydicom_config.IGNORE))
    return said


def _written(vr: str, value: Any) -> Any:
    if vr == "PN":
        groups = (value.get(name, "") for name in ("Alphabetic", "Ideographic", "Phonetic"))
        return "=".join(groups).rstrip("=")
    if vr != "SQ":
        return value
    item = Dataset()
    for tag, element in value.items():
        one = next(iter(element.get("Value", ())), None)
        item.add(DataElement(int(tag, 16), element["vr"], one, validation_mode=pydicom_config.IGNORE))
    return item


def _keys(said: Dataset) -> tuple[str, dict[str, str], bool]:
    """Level, keys by tag, and whether some of them are odd."""
    encodings = _encodings(said)
    keys, odd, level = {}, False, ""
    for tag in tuple(said.keys()):  # to go over the data set itself would have values judged
        text = _text(tag, said.get_item(tag), encodings)
        if tag == _LEVEL:
            level = text or ""
        elif text is None or tag.is_private:
            odd = True
        elif tag != _CHARACTER_SET and tag.element:
            keys[f"{tag:08X}"] = text
    return level, keys, odd


def _encodings(said: Dataset) -> list[str]:
    """The character sets as Python names them. An unknown one cannot be read: UTF-8 would find other people."""
    named = _text(BaseTag(_CHARACTER_SET), said.get_item(_CHARACTER_SET), ["iso8859"]) if _CHARACTER_SET in said else ""
    try:
        return [python_encoding[one.strip()] for one in (named or "").split("\\")]
    except KeyError as error:
        raise QueryEnded(Outcome.UNREADABLE, "The Specific Character Set is not known here") from error


def _text(tag: BaseTag, element: RawDataElement | DataElement | None, encodings: list[str]) -> str | None:
    """The value of a key as text; None for one that is no text."""
    vr = element.VR if element is not None and element.VR else dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"
    value = element.value if element is not None else None
    if not value:
        return ""
    if not isinstance(value, bytes) or vr in _NUMBERS or vr == "SQ":
        return None
    delimiters = PN_DELIMS if vr == "PN" else TEXT_VR_DELIMS
    text = decode_bytes(value, encodings, delimiters) if vr in _TEXT else value.decode("ascii")
    return text.strip("\0 ")


def _check_hierarchy(level: str, keys: Mapping[str, str]) -> None:
    if level not in UNIQUE_KEYS:
        raise QueryEnded(Outcome.NO_LEVEL)
    try:
        for tag in UNIQUE_KEYS[level]:
            uid_text(keys.get(f"{tag:08X}", "").encode(), "")
    except Unacceptable as error:
        raise QueryEnded(Outcome.NO_UNIQUE_KEY) from error
