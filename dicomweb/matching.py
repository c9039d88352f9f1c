"""A key and its value become a condition in SQL (PS3.4 section C.2.2.2), its form apart from the values in it.

https://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_C.2.2.2.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import and_, exists, func, or_, select

from dicomweb.attributes import TABLES, Attribute, Matching
from dicomweb.forms import Clause, Column, Condition, Form
from dicomweb.patterns import fits_one, of_patterns, pattern
from dicomweb.problems import bad_request
from dicomweb.uids import is_uid
from worklist.models import Instance, Series, SeriesRequest, Study
from worklist.papers import SEES_SERIES

LONGEST_VALUE: Final = 8192
MOST_VALUES: Final = 1000

_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d|60)?)?|([01]\d|2[0-3])[0-5]\d([0-5]\d|60)\.\d{1,6}")
_LATEST: Final = "235959.999999"
_INTEGER = re.compile(r"[+-]?\d{1,12}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LIST = re.compile(r"[,\\]")


def condition(attribute: Attribute, value: str, *, sent: bool = False) -> Condition | None:
    """The condition of one key; None for universal matching. A value that cannot be meant is a 400.

    `sent`: only what was sent to us counts for what is in a study, not what was made here.
    """
    if len(value) > LONGEST_VALUE or _CONTROL.search(value):
        raise bad_request(f"The value of {attribute.keyword} cannot be searched for.")
    if not value.strip("*"):
        return None
    return ((_SENT if sent else {}).get(attribute.matching) or _MATCHERS[attribute.matching])(attribute, value)


def moments(date: Attribute, time: Attribute, days: str, times: str) -> Condition | None:
    """The condition of a range of days and one of times, taken as one; None if not both are ranges of one form."""
    ends = _ends_of(days)
    if ends != _ends_of(times) or not any(ends):
        return None
    (first_day, last_day), (first_time, last_time) = _days(date, days), _times(time, times)
    values = (*((first_day, first_time) if ends[0] else ()), *((last_day, last_time) if ends[1] else ()))
    return Condition(Form(_within_moments, (date, time, *ends)), values)


def _within_moments(date: Attribute, time: Attribute, begins: bool, ends: bool, values: Sequence[Column]) -> Clause:
    day, moment = _column(date), _column(time)
    clauses = [day != ""]
    if begins:
        first_day, first_time = values[:2]
        clauses.append(or_(day > first_day, and_(day == first_day, moment != "", moment >= first_time)))
    if ends:
        last_day, last_time = values[-2:]
        clauses.append(or_(day < last_day, and_(day == last_day, moment != "", moment <= last_time)))
    return and_(*clauses)


def _ends_of(value: str) -> tuple[bool, bool]:
    """Whether a range has a beginning and an end; neither for what is no range."""
    first, dash, last = value.partition("-")
    return bool(dash and first.strip()), bool(dash and last.strip())


def _column(attribute: Attribute) -> Column:
    assert attribute.level is not None  # noqa: S101 - such attributes are never keys
    table = SeriesRequest if attribute.matching is Matching.REQUEST else TABLES[attribute.level]
    column: Column = getattr(table, attribute.source)
    return column


def _text(attribute: Attribute, value: str) -> Condition:
    return of_patterns(_text_fits, (attribute,), [pattern(attribute, value, any_case=False)])


def _text_fits(attribute: Attribute, wild: tuple[bool, ...], values: Sequence[Column]) -> Clause:
    return fits_one(_column(attribute), wild, values)


def _name(attribute: Attribute, value: str) -> Condition:
    """Match the whole name or one of its component groups; a name's empty last components do not count."""
    asked = value.rstrip("^") or value
    before = ("",) if asked.startswith("*") else ("", "*=")  # a star takes other groups, too
    after = ("",) if asked.endswith("*") else ("", "=*")
    patterns = [f"{first}{asked}{last}" for first in before for last in after]
    return of_patterns(_name_fits, (attribute,), [pattern(attribute, one, any_case=True) for one in patterns])


def _name_fits(attribute: Attribute, wild: tuple[bool, ...], values: Sequence[Column]) -> Clause:
    return fits_one(func.rtrim(_column(attribute), "^"), wild, values)


def _uid(attribute: Attribute, value: str) -> Condition:
    return Condition(Form(_is_one_of, (attribute,)), _uids(attribute, value))


def _is_one_of(attribute: Attribute, values: Sequence[Column]) -> Clause:
    return _column(attribute).in_(values)


def _sop_class(attribute: Attribute, value: str, *, sent: bool = False) -> Condition:
    return Condition(Form(_has_sop_class, (sent,)), _uids(attribute, value))


def _has_sop_class(sent: bool, values: Sequence[Column]) -> Clause:
    having = select(Instance.id).join(Series, Series.id == Instance.series_id)
    is_one = Instance.sop_class_uid.in_(values)
    return exists(having.where(Instance.study_id == Study.id, _counts(sent=sent), is_one).correlate(Study))


def _modality(attribute: Attribute, value: str, *, sent: bool = False) -> Condition:
    patterns = [pattern(attribute, one, any_case=False) for one in _values(attribute, value)]
    return of_patterns(_has_modality, (sent,), patterns)


def _has_modality(sent: bool, wild: tuple[bool, ...], values: Sequence[Column]) -> Clause:
    having = select(Series.id).where(Series.study_id == Study.id, _counts(sent=sent))
    return exists(having.where(fits_one(Series.modality.expression, wild, values)).correlate(Study))


def _counts(*, sent: bool) -> Clause:
    return Series.ours.is_(False) if sent else SEES_SERIES


WAS_SENT: Final = Condition(Form(lambda _: _counts(sent=True)))
"""Of a series: it was not made here."""


def _uids(attribute: Attribute, value: str) -> tuple[str, ...]:
    uids = _values(attribute, value)
    if not all(is_uid(uid) for uid in uids):
        raise bad_request(f"The value of {attribute.keyword} is no UID or list of UIDs.")
    return tuple(uids)


def _values(attribute: Attribute, value: str) -> list[str]:
    """Take a list apart: the standard's comma, and the backslash that OHIF writes."""
    values = [one.strip() for one in _LIST.split(value) if one.strip()]
    if not 0 < len(values) <= MOST_VALUES:
        raise bad_request(f"The value of {attribute.keyword} is no list of 1 to {MOST_VALUES} values.")
    return values


def _date(attribute: Attribute, value: str) -> Condition:
    first, last = _days(attribute, value)
    if first == last:
        return Condition(Form(_equals, (attribute,)), (first,))
    return _range(attribute, first, last)


def _equals(attribute: Attribute, values: Sequence[Column]) -> Clause:
    return _column(attribute) == values[0]


def _range(attribute: Attribute, first: str, last: str) -> Condition:
    return Condition(Form(_within, (attribute, bool(first), bool(last))), tuple(filter(None, (first, last))))


def _within(attribute: Attribute, begins: bool, ends: bool, values: Sequence[Column]) -> Clause:
    column = _column(attribute)
    return and_(column != "", *([column >= values[0]] if begins else []), *([column <= values[-1]] if ends else []))


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
    return _range(attribute, *_times(attribute, value))


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
    return Condition(Form(_equals, (attribute,)), (int(value),))


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
