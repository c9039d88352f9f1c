"""The content tree of anybody's Structured Report, as plain values: bounded, in Unicode, and without a judgement.

Basic, Enhanced, Comprehensive, 3D and Extensible SR and key object selections are the same tree (PS3.3 C.17.3).
https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.17.3.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from pydicom import Dataset, Sequence
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.uid import UID

from config.text import Charset, charset, decode
from sr_reports.prose import clean
from sr_reports.wording import count, date_in_words, human_name

DEEPEST: Final = 24
MOST_ITEMS: Final = 5_000
MOST_CHARACTERS: Final = 400_000


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image that an item points to; no `frames` means all of it."""

    sop_uid: str
    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One content item. `kind` is its Value Type, `name` the meaning of its concept, `value` what a person reads.

    `unit` is that of a NUM, `image` that of an IMAGE; `continuous` is a CONTAINER whose items are one running text. An
    item that refers to another one is of kind REFERENCE.
    """

    kind: str
    name: str
    value: str = ""
    unit: str = ""
    image: ImageRef | None = None
    continuous: bool = False
    items: tuple[Item, ...] = ()


@dataclass(slots=True)
class Budget:
    """What may still be read of one report; `spent` says that there was more."""

    items: int = MOST_ITEMS
    characters: int = MOST_CHARACTERS
    spent: bool = field(default=False)

    def take(self, text: str) -> str:
        """As much of a text as may still be read."""
        kept = text[: self.characters]
        self.characters -= len(kept)
        self.spent = self.spent or len(kept) < len(text)
        return kept


def content_items(report: Dataset, budget: Budget) -> Item:
    """The root of the tree with all that stands below it, as far as `budget` allows.

    Raises whatever pydicom raises over a broken file: see `sr_reports.narrative`, which translates it.
    """
    return _item(report, charset(b""), budget, 0)


def text_of(dataset: Dataset, keyword: str, codecs: Charset) -> str:
    """One text attribute from its bytes: pydicom leaves escape sequences of ISO 2022 IR 58 in the text."""
    tag = tag_for_keyword(keyword) or 0
    raw: object = dataset.get_item(tag) if tag in dataset else None
    if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes):
        return clean(decode(raw.value, codecs).rstrip(" \0"))
    value = dataset.get(keyword)
    return "" if value is None else clean(str(value))


def declared(dataset: Dataset, outer: Charset) -> Charset:
    """The character set that a dataset or item states, else that of what it stands in."""
    tag = tag_for_keyword("SpecificCharacterSet") or 0
    raw: object = dataset.get_item(tag) if tag in dataset else None
    stated = raw.value if isinstance(raw, RawDataElement) else dataset.get("SpecificCharacterSet")
    if isinstance(stated, bytes):
        return charset(stated)
    terms = [stated] if isinstance(stated, str) else list(stated or ())
    return charset("\\".join(map(str, terms)).encode("ascii", "replace")) if terms else outer


def meaning(dataset: Dataset, keyword: str, codecs: Charset) -> str:
    """What the first code of a code sequence means; its value where it has no meaning."""
    for code in _sequence(dataset, keyword):
        inner = declared(code, codecs)
        return next((said for said in (text_of(code, each, inner) for each in ("CodeMeaning", *_CODES)) if said), "")
    return ""


_CODES: Final = ("CodeValue", "LongCodeValue", "URNCodeValue")


def _item(source: Dataset, outer: Charset, budget: Budget, depth: int) -> Item:
    budget.items -= 1
    codecs = declared(source, outer)
    kind = text_of(source, "ValueType", codecs).strip() or "REFERENCE"
    return Item(
        kind=kind,
        name=budget.take(meaning(source, "ConceptNameCodeSequence", codecs)),
        value=budget.take(_VALUES.get(kind, _unknown)(source, codecs)),
        unit=budget.take(_unit(source, codecs)) if kind == "NUM" else "",
        image=_image(source) if kind == "IMAGE" else None,
        continuous=kind == "CONTAINER" and text_of(source, "ContinuityOfContent", codecs).strip() == "CONTINUOUS",
        items=tuple(_below(source, codecs, budget, depth + 1)),
    )


def _below(source: Dataset, codecs: Charset, budget: Budget, depth: int) -> Iterator[Item]:
    for child in _sequence(source, "ContentSequence"):
        if budget.items <= 0 or budget.characters <= 0 or depth > DEEPEST:
            budget.spent = True
            return
        yield _item(child, codecs, budget, depth)


def _sequence(dataset: Dataset, keyword: str) -> Iterator[Dataset]:
    found = dataset.get(keyword)
    return (each for each in found if isinstance(each, Dataset)) if isinstance(found, Sequence) else iter(())


def _text(source: Dataset, codecs: Charset) -> str:
    return text_of(source, "TextValue", codecs)


def _code(source: Dataset, codecs: Charset) -> str:
    return meaning(source, "ConceptCodeSequence", codecs)


def _number(source: Dataset, codecs: Charset) -> str:
    """The number as it was written, or why there is none."""
    for measured in _sequence(source, "MeasuredValueSequence"):
        if written := text_of(measured, "NumericValue", codecs):
            return written
    return meaning(source, "NumericValueQualifierCodeSequence", codecs) or "No value"


def _unit(source: Dataset, codecs: Charset) -> str:
    """`mm`, `cm2`, `Hounsfield unit`; "" for what has none. Brackets are UCUM's, not people's."""
    for measured in _sequence(source, "MeasuredValueSequence"):
        for code in _sequence(measured, "MeasurementUnitsCodeSequence"):
            written = text_of(code, "CodeValue", codecs)
            readable = bool(written) and not set(written) & set("[]{}")
            return "" if written == "1" else written if readable else text_of(code, "CodeMeaning", codecs)
    return ""


def _date(source: Dataset, codecs: Charset) -> str:
    return date_in_words(text_of(source, "Date", codecs))


def _time(source: Dataset, codecs: Charset) -> str:
    return clock_in_words(text_of(source, "Time", codecs))


def _moment(source: Dataset, codecs: Charset) -> str:
    return moment_in_words(text_of(source, "DateTime", codecs))


def clock_in_words(value: str) -> str:
    """10:15:30 out of a DICOM time; anything else as it is."""
    found = re.fullmatch(r"(\d\d)(\d\d)?(\d\d)?(\.\d+)?", value)
    return ":".join(part for part in found.groups()[:3] if part) if found and found[2] else value


def moment_in_words(value: str) -> str:
    """24 November 2026, 14:05:00 out of a DICOM date time; its offset stays behind it."""
    found = re.fullmatch(r"(\d{8})(\d{4,6})?(?:\.\d+)?([+-]\d{4})?", value)
    if not found:
        return date_in_words(value)
    offset = f" (UTC{found[3][:3]}:{found[3][3:]})" if found[3] else ""
    return date_in_words(found[1]) + (f", {clock_in_words(found[2])}" if found[2] else "") + offset


def _uid(source: Dataset, codecs: Charset) -> str:
    return text_of(source, "UID", codecs)


def _name(source: Dataset, codecs: Charset) -> str:
    return human_name(text_of(source, "PersonName", codecs))


def _referenced(source: Dataset, codecs: Charset) -> str:
    """What kind of object it points to: `CT Image`."""
    for each in _sequence(source, "ReferencedSOPSequence"):
        name = UID(text_of(each, "ReferencedSOPClassUID", codecs)).name
        return "Object" if name[:1].isdigit() or not name else name.removesuffix(" Storage")
    return ""


def _image(source: Dataset) -> ImageRef | None:
    for each in _sequence(source, "ReferencedSOPSequence"):
        numbers = each.get("ReferencedFrameNumber")
        listed = [numbers] if isinstance(numbers, int | str) else list(numbers or ())
        frames = tuple(int(number) for number in islice(listed, 64) if str(number).isdecimal())
        return ImageRef(str(each.get("ReferencedSOPInstanceUID") or ""), frames)
    return None


def _shape(source: Dataset, codecs: Charset) -> str:
    """`Polyline, 4 points`."""
    axes = 3 if text_of(source, "ValueType", codecs) == "SCOORD3D" else 2
    data = source.get("GraphicData")
    points = (len(data) if hasattr(data, "__len__") else 0) // axes
    return f"{text_of(source, 'GraphicType', codecs).capitalize()}, {count(points, 'point')}"


def _range(source: Dataset, codecs: Charset) -> str:
    return text_of(source, "TemporalRangeType", codecs).capitalize()


def _nothing(source: Dataset, codecs: Charset) -> str:
    del source, codecs
    return ""


def _reference(source: Dataset, codecs: Charset) -> str:
    del codecs
    numbers = source.get("ReferencedContentItemIdentifier")
    listed = [numbers] if isinstance(numbers, int) else list(numbers or ())
    return f"Item {'.'.join(str(each) for each in islice(listed, DEEPEST))} of this report" if listed else ""


def _unknown(source: Dataset, codecs: Charset) -> str:
    return f"Content of a kind that is not shown here ({text_of(source, 'ValueType', codecs)[:16]})"


_VALUES: Final[dict[str, Callable[[Dataset, Charset], str]]] = {  # Table C.17.3.2.1
    "CONTAINER": _nothing,
    "TEXT": _text,
    "CODE": _code,
    "NUM": _number,
    "DATETIME": _moment,
    "DATE": _date,
    "TIME": _time,
    "UIDREF": _uid,
    "PNAME": _name,
    "COMPOSITE": _referenced,
    "IMAGE": _referenced,
    "WAVEFORM": _referenced,
    "SCOORD": _shape,
    "SCOORD3D": _shape,
    "TCOORD": _range,
    "REFERENCE": _reference,
}
