"""One search result in the DICOM JSON model (PS3.18 annex F).

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/chapter_F.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dicomweb.attributes import ATTRIBUTES, UNIQUE_KEYS, Attribute, Found, Level, Returned
from dicomweb.parameters import Search

Element = dict[str, Any]
NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def result(found: Found, search: Search, known: Level | None) -> dict[str, Element]:
    """Write one result, tags ascending.

    `known` is the level down to which the path already says where we are: what is required of the levels between
    it and the result is returned too.
    """
    chosen = ((one, _value(one, found)) for one in ATTRIBUTES if _is_wanted(one, search, known))
    asked = search.include
    written = {
        one.tag: _element(one.vr, value)
        for one, value in chosen
        if value is not None or one.tag in asked or one.returned is Returned.ALWAYS
    }
    return dict(sorted(written.items()))


def _is_wanted(one: Attribute, search: Search, known: Level | None) -> bool:
    if one.level is not None and one.level > search.level:
        return False
    if search.include_all or one.tag in search.include or one.tag in UNIQUE_KEYS:
        return True
    if one.level is not None and known is not None and one.level <= known:
        return False
    return one.returned is not Returned.ASKED


def _value(one: Attribute, found: Found) -> object:
    rows = {Level.STUDY: found.study, Level.SERIES: found.series, Level.INSTANCE: found.instance}
    source = found if one.computed or one.level is None else rows[one.level]
    value: object = getattr(source, one.source)
    return None if value in {"", ()} else value


def _element(vr: str, value: object) -> Element:
    if value is None:
        return {"vr": vr}
    values = value if isinstance(value, tuple) else (value,)
    return {"vr": vr, "Value": [_WRITERS.get(vr, _as_it_is)(one) for one in values]}


def _as_it_is(value: object) -> object:
    return value


def _name(value: object) -> dict[str, str]:
    """Write a person name by its component groups, empty ones left out (F.2.2)."""
    groups = zip(NAME_GROUPS, str(value).split("="), strict=False)
    return {name: group for name, group in groups if group}


_WRITERS: Final[dict[str, Callable[[object], object]]] = {"PN": _name}
