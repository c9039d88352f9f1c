"""Anybody's Structured Report as people read it: headings, sentences, facts, tables of measurements, pictures.

Nothing is left out but what `content_items` cannot bound; then `shortened` says so.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from itertools import groupby
from typing import Final

from pydicom import Dataset, dcmread
from pydicom.uid import UID

from config.text import Charset, charset
from sr_reports.content_items import (
    Budget,
    ImageRef,
    Item,
    clock_in_words,
    content_items,
    declared,
    moment_in_words,
    text_of,
)
from sr_reports.wording import date_in_words, human_name

_BEFORE_A_POINT: Final = re.compile(r"\s+([.,;:])")
DOCUMENTS: Final = "1.2.840.10008.5.1.4.1.1.88."
"""Every SOP Class below this is a structured document (PS3.4 B.5)."""


class Unshowable(Exception):
    """This object is no report that can be read; the message says what it is instead, in plain words."""


class Form(StrEnum):
    """What a block looks like."""

    SECTION = "section"
    TEXT = "text"
    FACTS = "facts"
    MEASUREMENTS = "measurements"
    PICTURES = "pictures"


@dataclass(frozen=True, slots=True)
class Row:
    """One fact or measurement; `details` qualify it: method, site, derivation."""

    name: str
    value: str
    unit: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a report in reading order; which fields are filled depends on `form`. A section may be untitled."""

    form: Form
    title: str = ""
    text: str = ""
    rows: tuple[Row, ...] = ()
    images: tuple[ImageRef, ...] = ()
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Narrative:
    """One report. `patient` is the name that stands in it; `facts` are about the document itself."""

    title: str
    patient: str
    facts: tuple[Row, ...]
    blocks: tuple[Block, ...]
    shortened: bool


def is_document(sop_class_uid: str) -> bool:
    """Whether `narrate` is for instances of this class."""
    return sop_class_uid.startswith(DOCUMENTS)


def narrate(part10: bytes) -> Narrative:
    """Read a Part 10 file of any structured report or key object selection. Raises Unshowable, and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong in it is shown as it is
        try:
            return _narrate(dcmread(BytesIO(part10)))
        except Exception as error:  # noqa: BLE001 - pydicom raises whatever a broken file makes it stumble over
            raise Unshowable("This document cannot be read. You can download it as it came.") from error


def _narrate(report: Dataset) -> Narrative:
    codecs, budget = declared(report, charset(b"")), Budget()
    root = content_items(report, budget)
    blocks = tuple(_blocks(root.items))
    patient = human_name(text_of(report, "PatientName", codecs))
    kind = UID(text_of(report, "SOPClassUID", codecs)).name.removesuffix(" Storage")
    return Narrative(root.name or kind, patient, tuple(_facts(report, codecs)), blocks, budget.spent)


def _facts(report: Dataset, codecs: Charset) -> Iterator[Row]:
    written = date_in_words(text_of(report, "ContentDate", codecs))
    at = clock_in_words(text_of(report, "ContentTime", codecs))
    yield Row("Written", ", ".join(part for part in (written, at) if part))
    yield Row("Status", _status(report, codecs))
    for verifier in report.get("VerifyingObserverSequence") or ():
        name = human_name(text_of(verifier, "VerifyingObserverName", declared(verifier, codecs)))
        when = moment_in_words(text_of(verifier, "VerificationDateTime", codecs))
        yield Row("Verified by", ", ".join(part for part in (name, when) if part))
    made_by = (text_of(report, each, codecs) for each in ("InstitutionName", "Manufacturer"))
    yield Row("Made at", ", ".join(part for part in made_by if part))


def _status(report: Dataset, codecs: Charset) -> str:
    said = (text_of(report, each, codecs).strip() for each in ("CompletionFlag", "VerificationFlag"))
    return ", ".join(part.lower() for part in said if part).capitalize()


def _blocks(items: Iterable[Item]) -> Iterator[Block]:
    """Neighbours of one form are one block, so that numbers stand in one table."""
    for form, run in groupby(items, _form):
        if form is Form.SECTION:
            yield from (_section(each) for each in run)
        elif form is Form.TEXT:
            yield from (block for each in run for block in _texts(each))
        elif form is Form.PICTURES:
            yield from _pictures(list(run))
        else:
            yield from _table(form, list(run))


def _section(item: Item) -> Block:
    if not item.continuous:
        return Block(Form.SECTION, item.name, blocks=tuple(_blocks(item.items)))
    said = (f"{each.value} {each.unit}".strip() for each in item.items)
    below = [child for each in item.items for child in each.items]
    text = _BEFORE_A_POINT.sub(r"\1", " ".join(part for part in said if part))
    return Block(Form.SECTION, item.name, blocks=(Block(Form.TEXT, text=text), *_blocks(below)))


def _form(item: Item) -> Form:
    if item.kind == "NUM":
        return Form.MEASUREMENTS
    if item.kind == "IMAGE" and item.image is not None:
        return Form.PICTURES
    return {"CONTAINER": Form.SECTION, "TEXT": Form.TEXT}.get(item.kind, Form.FACTS)


def _texts(item: Item) -> Iterator[Block]:
    """A sentence, with what it was inferred from below it."""
    yield Block(Form.TEXT, item.name, item.value)
    if item.items:
        yield Block(Form.SECTION, blocks=tuple(_blocks(item.items)))


def _pictures(items: list[Item]) -> Iterator[Block]:
    title = " · ".join(dict.fromkeys(each.name for each in items if each.name))
    yield Block(Form.PICTURES, title, images=tuple(each.image for each in items if each.image))
    if below := [child for each in items for child in each.items]:
        yield Block(Form.SECTION, blocks=tuple(_blocks(below)))


def _table(form: Form, items: list[Item]) -> Iterator[Block]:
    """Rows; what qualifies a row stands in it, everything else that stands below it follows."""
    rows, below = [], []
    for item in items:
        qualifiers = [each for each in item.items if not each.items and each.kind in {"CODE", "TEXT", "PNAME"}]
        details = "; ".join(": ".join(part for part in (each.name, each.value) if part) for each in qualifiers)
        rows.append(Row(item.name or item.kind.capitalize(), item.value, item.unit, details))
        below += [each for each in item.items if each not in qualifiers]
    yield Block(form, rows=tuple(rows))
    if below:
        yield Block(Form.SECTION, blocks=tuple(_blocks(below)))
