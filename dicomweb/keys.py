"""Matching keys, each alone or together with those that it belongs to.

Ranges of a date and of its time are matched as one range of moments ("combined date-time matching", PS3.4 section
C.2.2.2.5). Keys of one sequence have to fit one and the same item (PS3.4 section C.2.2.2.6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import and_, exists, select

from dicomweb.attributes import BY_NAME, Attribute, Matching
from dicomweb.forms import Clause, Column, Condition, Form
from dicomweb.matching import condition, moments
from worklist.models import Series, SeriesRequest

Keys = Mapping[Attribute, str]

TIME_OF_DATE: Final[dict[Attribute, Attribute]] = {
    BY_NAME[date]: BY_NAME[time]
    for date, time in (
        ("StudyDate", "StudyTime"),
        ("SeriesDate", "SeriesTime"),
        ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
    )
}
"""Date and time of one event."""


def conditions(keys: Keys, *, combined: bool = True, sent: bool = False) -> Iterable[Condition]:
    """The conditions of all keys. A value that cannot be meant is a 400.

    `combined`: as one range of moments. `sent`: what was made here does not count for what is in a study.
    """
    alone = {key: value for key, value in keys.items() if key.matching is not Matching.REQUEST}
    for date, time in TIME_OF_DATE.items() if combined else ():
        if date in alone and time in alone:
            together = moments(date, time, alone[date], alone[time])
            if together is not None:
                del alone[date], alone[time]
                yield together
    yield from _of_each(alone, sent=sent)
    in_one_item = list(_of_each({key: value for key, value in keys.items() if key.matching is Matching.REQUEST}))
    if in_one_item:
        parts = tuple((one.form, len(one.values)) for one in in_one_item)
        yield Condition(Form(_one_item_has, (parts,)), tuple(value for one in in_one_item for value in one.values))


def _one_item_has(parts: Sequence[tuple[Form, int]], values: Sequence[Column]) -> Clause:
    left = iter(values)
    all_of_it = and_(*(form.clause(*form.about, [next(left) for _ in range(count)]) for form, count in parts))
    return exists(select(SeriesRequest.id).where(SeriesRequest.series_id == Series.id, all_of_it))


def _of_each(keys: Keys, *, sent: bool = False) -> Iterable[Condition]:
    found = (condition(key, value, sent=sent) for key, value in keys.items())
    return (one for one in found if one is not None)
