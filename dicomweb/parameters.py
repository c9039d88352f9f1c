"""The query string of a search, checked key by key (PS3.18 section 8.3.4).

A key that is no DICOM attribute is refused: ignoring a slip of the pen would answer with everybody's studies. A
DICOM attribute that we cannot match is ignored as PS3.4 section C.2.2.1.3 wants it, and the answer says so.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_8.3.4.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pydicom.datadict import dictionary_has_tag, tag_for_keyword
from werkzeug.datastructures import MultiDict

from dicomweb.attributes import BY_NAME, UNIQUE_KEYS, Attribute, Level, Matching
from dicomweb.forms import Condition
from dicomweb.keys import conditions
from dicomweb.problems import bad_request

MOST_RESULTS: Final = 10_000
MOST_KEYS: Final = 64
LAST_OFFSET: Final = 2**31
LONGEST_REMEMBERED: Final = 4096

FUZZY: Final = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
SWITCHES: Final[dict[str, str]] = {
    "fuzzymatching": FUZZY,
    "emptyvaluematching": (
        "The emptyvaluematching parameter is not supported. Empty Value Matching has not been performed."
    ),
    "multiplevaluematching": (
        "The multiplevaluematching parameter is not supported. Multiple Value Matching has not been performed."
    ),
}
"""What is said of each switch when it is on."""

_UINT = re.compile(r"\d{1,18}")
_TAG = re.compile(r"[0-9A-F]{8}")


@dataclass(frozen=True, slots=True)
class Search:
    """One search as it was asked for: conditions without any right in them yet. `named`: some name UIDs."""

    level: Level
    conditions: tuple[Condition, ...] = ()
    include: frozenset[str] = frozenset()
    include_all: bool = False
    limit: int = MOST_RESULTS
    offset: int = 0
    warnings: tuple[str, ...] = ()
    named: bool = False


@dataclass(slots=True)
class _Keys:
    """The matching keys of one query string, as they are collected."""

    level: Level
    matched: dict[Attribute, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    unmatched: list[str] = field(default_factory=list)

    def add(self, name: str, values: list[str]) -> None:
        """Take one key and what it was given."""
        attribute, tag = _known(name)
        if len(values) != 1 or tag in self.seen:
            raise bad_request("A matching key may be given once only.")
        self.seen.add(tag)
        if attribute is None or attribute.matching is Matching.NONE or (attribute.level or 0) > self.level:
            self.unmatched.append(attribute.keyword if attribute else name)
        else:
            self.matched[attribute] = values[0]


def remembered_search(query: tuple[tuple[str, str], ...], level: Level) -> Search:
    """Read a query string, given as its pairs; of a long one nothing is remembered, which would be a megabyte."""
    is_short = sum(len(name) + len(value) for name, value in query) <= LONGEST_REMEMBERED
    return _remembered(query, level) if is_short else parse_search(MultiDict(query), level)


@lru_cache(maxsize=256)
def _remembered(query: tuple[tuple[str, str], ...], level: Level) -> Search:
    return parse_search(MultiDict(query), level)


def parse_search(query: MultiDict[str, str], level: Level) -> Search:
    """Read a query string; whatever it gets wrong is a 400."""
    keys = _Keys(level)
    others = {"limit", "offset", "includefield", "accept", "charset", *SWITCHES}
    asked = [name for name in query if name not in others]
    if len(asked) > MOST_KEYS:
        raise bad_request("There are too many matching keys.")
    for name in asked:
        keys.add(name, query.getlist(name))
    fields = [one.strip() for text in query.getlist("includefield") for one in text.split(",") if one.strip()]
    return Search(
        level,
        tuple(conditions(keys.matched)),
        frozenset(_included(fields)),
        "all" in fields,
        min(_uint(query, "limit", MOST_RESULTS), MOST_RESULTS),
        min(_uint(query, "offset", 0), LAST_OFFSET),
        (*_switches(query), *_said_of(keys.unmatched)),
        any(key.tag in UNIQUE_KEYS for key in keys.matched),
    )


@lru_cache(maxsize=512)
def _known(name: str) -> tuple[Attribute | None, str]:
    """Return the attribute of a keyword, tag or path, None for one that we do not match on, and its tag or path."""
    if len(name) > 256:
        raise bad_request("The query has a key that is neither a parameter nor a DICOM attribute.")
    tags = [_tag(part) for part in name.split(".")]
    path = ".".join(tags)
    return BY_NAME.get(path), path


def _tag(name: str) -> str:
    upper = name.upper()
    if _TAG.fullmatch(upper):
        group = int(upper[:4], 16)
        if group % 2 or dictionary_has_tag(int(upper, 16)):
            return upper
    elif (tag := tag_for_keyword(name)) is not None:
        return f"{tag:08X}"
    raise bad_request("The query has a key that is neither a parameter nor a DICOM attribute.")


def _included(fields: Iterable[str]) -> Iterable[str]:
    for name in fields:
        if name != "all":
            yield _known(name)[1].partition(".")[0]


def _uint(query: MultiDict[str, str], name: str, default: int) -> int:
    text = _single(query, name)
    if text is None:
        return default
    if not (text.isascii() and _UINT.fullmatch(text)):
        raise bad_request(f"The value of {name} is no number.")
    return int(text)


def _switches(query: MultiDict[str, str]) -> Iterable[str]:
    for name, said in SWITCHES.items():
        text = _single(query, name)
        if text not in {None, "true", "false"}:
            raise bad_request(f"The value of {name} is neither true nor false.")
        if text == "true":
            yield said


def _single(query: MultiDict[str, str], name: str) -> str | None:
    values = query.getlist(name)
    if len(values) > 1:
        raise bad_request(f"{name} may be given once only.")
    return values[0] if values else None


def _said_of(unmatched: list[str]) -> Iterable[str]:
    if unmatched:
        yield f"Matching is not supported for {', '.join(unmatched)}: all values match."
