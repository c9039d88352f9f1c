"""A key and its value become a condition in SQL (PS3.4 section C.2.2.2).

https://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_C.2.2.2.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, and_, exists, func, literal, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from dicomweb.attributes import TABLES, Attribute, Matching
from dicomweb.problems import bad_request
from dicomweb.uids import is_uid
from worklist.models import Instance, Series, SeriesRequest, Study
from worklist.papers import SEES_SERIES

LONGEST_VALUE: Final = 8192
MOST_VALUES: Final = 1000
MOST_STARS: Final = 8

_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d|60)?)?|([01]\d|2[0-3])[0-5]\d([0-5]\d|60)\.\d{1,6}")
_LATEST: Final = "235959.999999"
_INTEGER = re.compile(r"[+-]?\d{1,12}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LIST = re.compile(r"[,\\]")

Condition = ColumnElement[bool]
Column = ColumnElement[Any]


class _Wildcards(FunctionElement[bool]):
    """`column` fits a pattern of * and ?, with the same meaning on both databases (LIKE knows no case of Umlauts)."""

    inherit_cache = True
    type = Boolean()

    def __init__(self, column: Column, glob: str, expression: str) -> None:
        super().__init__(column, literal(glob), literal(expression))


@compiles(_Wildcards, "sqlite")
def _as_glob(element: _Wildcards, compiler: SQLCompiler, **options: Any) -> str:
    column, glob, _ = element.clauses
    return f"({compiler.process(column, **options)} GLOB {compiler.process(glob, **options)})"


@compiles(_Wildcards, "postgresql")
def _as_expression(element: _Wildcards, compiler: SQLCompiler, **options: Any) -> str:
    column, _, expression = element.clauses
    return f"({compiler.process(column, **options)} ~ {compiler.process(expression, **options)})"


def condition(attribute: Attribute, value: str, *, sent: bool = False) -> Condition | None:
    """The WHERE clause of one key; None for universal matching. A value that cannot be meant is a 400.

    `sent`: only what was sent to us counts for what is in a study, not what was made here.
    """
    if len(value) > LONGEST_VALUE or _CONTROL.search(value):
        raise bad_request(f"The value of {attribute.keyword} cannot be searched for.")
    if not value.strip("*"):
        return None
    return ((_SENT if sent else {}).get(attribute.matching) or _MATCHERS[attribute.matching])(attribute, value)


def moments(date: Attribute, time: Attribute, days: str, times: str) -> Condition | None:
    """The WHERE clause of a range of days and one of times, taken as one; None if not both are ranges of one form."""
    if _form(days) != _form(times) or not any(_form(days)):
        return None
    (first_day, last_day), (first_time, last_time) = _days(date, days), _times(time, times)
    day, moment = _column(date), _column(time)
    after = or_(day > first_day, and_(day == first_day, moment != "", moment >= first_time))
    before = or_(day < last_day, and_(day == last_day, moment != "", moment <= last_time))
    return and_(day != "", *([after] if first_day else []), *([before] if last_day else []))


def _form(value: str) -> tuple[bool, bool]:
    """Whether a range has a beginning and an end; neither for what is no range."""
    first, dash, last = value.partition("-")
    return bool(dash and first.strip()), bool(dash and last.strip())


def _column(attribute: Attribute) -> Column:
    assert attribute.level is not None  # noqa: S101 - such attributes are never keys
    table = SeriesRequest if attribute.matching is Matching.REQUEST else TABLES[attribute.level]
    column: Column = getattr(table, attribute.source)
    return column


def _text(attribute: Attribute, value: str) -> Condition:
    return _fits(attribute, _column(attribute), value, any_case=False)


def _name(attribute: Attribute, value: str) -> Condition:
    """Match the whole name or one of its component groups; a name's empty last components do not count."""
    column = func.rtrim(_column(attribute), "^")
    asked = value.rstrip("^") or value
    before = ("",) if asked.startswith("*") else ("", "*=")  # a star takes other groups, too
    after = ("",) if asked.endswith("*") else ("", "=*")
    patterns = (f"{first}{asked}{last}" for first in before for last in after)
    return or_(*(_fits(attribute, column, pattern, any_case=True) for pattern in patterns))


def _fits(attribute: Attribute, column: Column, value: str, *, any_case: bool) -> Condition:
    value = re.sub(r"\*+", "*", value)
    if value.count("*") > MOST_STARS + 2:
        raise bad_request(f"The value of {attribute.keyword} has too many wildcards.")
    if not any_case and not re.search(r"[*?]", value):
        return column == value
    return _Wildcards(column, _glob(value, any_case), _expression(value, any_case))


def _glob(value: str, any_case: bool) -> str:
    plain = {"*": "*", "?": "?", "^": "^", "\\": "\\"}
    return "".join(plain.get(char) or _one_of(char, any_case) for char in value)


def _expression(value: str, any_case: bool) -> str:
    plain = {"*": ".*", "?": ".", "^": r"\^", "\\": r"\\"}
    return "^" + "".join(plain.get(char) or _one_of(char, any_case) for char in value) + "$"


def _one_of(char: str, any_case: bool) -> str:
    """A bracket with the cases of a character: the notation in which GLOB and POSIX mean the same."""
    cases = {char, char.lower(), char.upper()} if any_case else {char}
    return "[" + "".join(sorted(case for case in cases if len(case) == 1)) + "]"


def _uid(attribute: Attribute, value: str) -> Condition:
    return _column(attribute).in_(_uids(attribute, value))


def _sop_class(attribute: Attribute, value: str, *, sent: bool = False) -> Condition:
    having = select(Instance.id).join(Series, Series.id == Instance.series_id)
    is_one = Instance.sop_class_uid.in_(_uids(attribute, value))
    return exists(having.where(Instance.study_id == Study.id, _counts(sent=sent), is_one).correlate(Study))


def _modality(attribute: Attribute, value: str, *, sent: bool = False) -> Condition:
    having = select(Series.id).where(Series.study_id == Study.id, _counts(sent=sent))
    asked = [_fits(attribute, Series.modality.expression, one, any_case=False) for one in _values(attribute, value)]
    return exists(having.where(or_(*asked)).correlate(Study))


def _counts(*, sent: bool) -> Condition:
    return Series.ours.is_(False) if sent else SEES_SERIES


def _uids(attribute: Attribute, value: str) -> list[str]:
    uids = _values(attribute, value)
    if not all(is_uid(uid) for uid in uids):
        raise bad_request(f"The value of {attribute.keyword} is no UID or list of UIDs.")
    return uids


def _values(attribute: Attribute, value: str) -> list[str]:
    """Take a list apart: the standard's comma, and the backslash that OHIF writes."""
    values = [one.strip() for one in _LIST.split(value) if one.strip()]
    if not 0 < len(values) <= MOST_VALUES:
        raise bad_request(f"The value of {attribute.keyword} is no list of 1 to {MOST_VALUES} values.")
    return values


def _date(attribute: Attribute, value: str) -> Condition:
    column = _column(attribute)
    first, last = _days(attribute, value)
    if first == last:
        return column == first
    return and_(column != "", *([column >= first] if first else []), *([column <= last] if last else []))


def _days(attribute: Attribute, value: str) -> tuple[str, str]:
    first, last = _ends(attribute, value)
    for end in filter(None, (first, last)):
        _check_date(attribute, end)
    return first, last


def _check_date(attribute: Attribute, text: str) -> None:
    try:
        if len(text) == 8 and text.isascii() and text.isdigit() and datetime.strptime(text, "%Y%m%d"):  # noqa: DTZ007
            return
    except ValueError:
        pass
    raise bad_request(f"The value of {attribute.keyword} is no date or range of dates (YYYYMMDD).")


def _time(attribute: Attribute, value: str) -> Condition:
    """A time with fewer digits means all of that hour, minute or second."""
    column = _column(attribute)
    earliest, latest = _times(attribute, value)
    return and_(column != "", *([column >= earliest] if earliest else []), *([column <= latest] if latest else []))


def _times(attribute: Attribute, value: str) -> tuple[str, str]:
    first, last = _ends(attribute, value)
    if not all(_TIME.fullmatch(end) for end in (first, last) if end):
        raise bad_request(f"The value of {attribute.keyword} is no time or range of times (HHMMSS).")
    earliest = re.sub(r"(00){0,2}(\.0*)?$", "", first) if len(first) > 2 else first
    latest = last + _LATEST[len(last) :] if 0 < len(last) <= 6 else last
    return earliest, latest


def _ends(attribute: Attribute, value: str) -> tuple[str, str]:
    first, dash, last = value.partition("-")
    if not dash:
        return first, first
    if not first and not last:
        raise bad_request(f"The range of {attribute.keyword} has no end.")
    return first.strip(), last.strip()


def _number(attribute: Attribute, value: str) -> Condition:
    if not _INTEGER.fullmatch(value.strip()):
        raise bad_request(f"The value of {attribute.keyword} is no integer.")
    return _column(attribute) == int(value)


_MATCHERS: Final[dict[Matching, Callable[[Attribute, str], Condition]]] = {
    Matching.TEXT: _text,
    Matching.NAME: _name,
    Matching.UID: _uid,
    Matching.DATE: _date,
    Matching.TIME: _time,
    Matching.NUMBER: _number,
    Matching.MODALITY: _modality,
    Matching.SOP_CLASS: _sop_class,
    Matching.REQUEST: _text,
}

_SENT: Final[dict[Matching, Callable[[Attribute, str], Condition]]] = {
    Matching.MODALITY: partial(_modality, sent=True),
    Matching.SOP_CLASS: partial(_sop_class, sent=True),
}
"""Those that look below a study."""
