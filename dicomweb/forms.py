"""The conditions of a search, their form apart from the values in it: a statement is made once for all values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, String, bindparam

Clause = ColumnElement[bool]
Column = ColumnElement[Any]
Value = str | int


class Form(NamedTuple):
    """What conditions that differ in their values alone have in common: `clause(*about, values)` is the WHERE clause.

    Forms can be compared, so that the database's statement of a search is made once for all values.
    """

    clause: Callable[..., Clause]
    about: tuple[Any, ...] = ()


class Condition(NamedTuple):
    """One condition of a search."""

    form: Form
    values: tuple[Value, ...] = ()


Kinds = tuple[type[Value], ...]
"""Of a condition's values."""


def clauses(forms: Iterable[tuple[Form, Kinds]]) -> Iterable[Clause]:
    """The WHERE clauses of conditions, to be executed with `values_of` them."""
    number = 0
    for form, kinds in forms:
        yield form.clause(*form.about, [_bound(number + at, kind) for at, kind in enumerate(kinds)])
        number += len(kinds)


def values_of(conditions: Iterable[Condition]) -> dict[str, object]:
    """The values by the names that they have in `clauses`."""
    return {_name_of(number): value for number, value in enumerate(one for each in conditions for one in each.values)}


def _bound(number: int, kind: type[Value]) -> Column:
    return bindparam(_name_of(number), type_=BigInteger() if kind is int else String())


def _name_of(number: int) -> str:
    return f"key_{number}"
