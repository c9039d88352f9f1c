"""One search result in the DICOM JSON model (PS3.18 annex F).

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/chapter_F.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from dicomweb.attributes import ATTRIBUTES, BY_NAME, UNIQUE_KEYS, Attribute, Found, Level, Returned

Element = dict[str, Any]
NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def result(found: Found, include: frozenset[str], known: Level | None, *, include_all: bool) -> dict[str, Element]:
    """Write one result, tags ascending.

    `known` is the level down to which the path already says where we are: what is required of the levels between
    it and the result is returned too. `include`: tags that were asked for.
    """
    written = {}
    for one in _wanted(found.level, include, known, include_all):
        value = _value(one, found)
        if value is not None or one.tag in include or one.returned is Returned.ALWAYS:
            written[one.tag] = _element(one, value)
    return written


@lru_cache(maxsize=256)
def _wanted(level: Level, include: frozenset[str], known: Level | None, include_all: bool) -> tuple[Attribute, ...]:
    """The attributes that such a result may have, by tag."""

    def is_wanted(one: Attribute) -> bool:
        if one.returned is Returned.WITHIN or (one.level is not None and one.level > level):
            return False
        if include_all or one.tag in include or one.tag in UNIQUE_KEYS:
            return True
        if one.level is not None and known is not None and one.level <= known:
            return False
        return one.returned is not Returned.ASKED

    return tuple(sorted(filter(is_wanted, ATTRIBUTES), key=lambda one: one.tag))


def _value(one: Attribute, found: Found) -> object:
    rows = {Level.STUDY: found.study, Level.SERIES: found.series, Level.INSTANCE: found.instance}
    source = found if one.computed or one.level is None else rows[one.level]
    value: object = getattr(source, one.source)
    return None if value in ("", ()) else value  # a set would want every value to be hashable


def _element(one: Attribute, value: object) -> Element:
    if value is None:
        return {"vr": one.vr}
    values = value if isinstance(value, tuple) else (value,)
    if one.vr == "SQ":
        return {"vr": "SQ", "Value": [_item(one.tag, item) for item in values]}
    return {"vr": one.vr, "Value": [_WRITERS.get(one.vr, _as_it_is)(each) for each in values]}


def _item(sequence: str, values: dict[str, str]) -> dict[str, Element]:
    return {tag: _element(BY_NAME[f"{sequence}.{tag}"], value or None) for tag, value in sorted(values.items())}


def _as_it_is(value: object) -> object:
    return value


def _name(value: object) -> dict[str, str]:
    """Write a person name by its component groups, empty ones left out (F.2.2)."""
    groups = zip(NAME_GROUPS, str(value).split("="), strict=False)
    return {name: group for name, group in groups if group}


_WRITERS: Final[dict[str, Callable[[object], object]]] = {"PN": _name}
