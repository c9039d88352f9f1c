"""A statement that is asked again is asked in the database's own words: SQLAlchemy needs ten times as long as SQLite.

What these words are is asked of SQLAlchemy, for 1.6 ms, when a statement has proven to be asked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import ExpandedState, SQLCompiler

AFTER: Final = 4
"""Times that a statement is executed by SQLAlchemy first."""

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Words:
    """The text for one kind of database. `fixed`: values that no execution changes; `order`: "" where names do."""

    text: str
    fixed: Values
    order: tuple[str, ...]

    def rows(self, connection: Connection, values: Values) -> Sequence[Sequence[Any]]:
        named = {**self.fixed, **values}
        given = tuple([named[name] for name in self.order]) if self.order else named
        return connection.exec_driver_sql(self.text, given).all()


class Prepared:
    """One SELECT of plain values: numbers, texts and truths, which are not processed on their way out."""

    def __init__(self, select: Select[*tuple[Any, ...]]) -> None:
        self._select = select
        self._asked = 0
        self._words: dict[str, _Words] = {}

    def rows(self, connection: Connection, values: Values) -> Sequence[Sequence[Any]]:
        """Execute it with values by the names of its parameters."""
        words = self._words.get(connection.dialect.name)
        if words is not None:
            return words.rows(connection, values)
        self._asked += 1
        if self._asked > AFTER:
            self._words[connection.dialect.name] = _in_words(self._select, connection.dialect, values)
        return connection.execute(self._select, dict(values)).all()


def _in_words(select: Select[*tuple[Any, ...]], dialect: Dialect, values: Values) -> _Words:
    compiled = select.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what a SELECT is compiled to
    state = compiled.construct_expanded_state(dict(values))
    fixed = _processed(compiled, state, dialect)
    return _Words(state.statement, fixed, tuple(state.positiontup or ()))


def _processed(compiled: SQLCompiler, state: ExpandedState, dialect: Dialect) -> Values:
    """The values of a statement as its driver takes them."""
    done = {}
    for name, value in state.parameters.items():
        bound = compiled.binds.get(name)
        process: Any = bound.type.dialect_impl(dialect).bind_processor(dialect) if bound is not None else None
        process = process or state.processors.get(name)
        done[name] = process(value) if callable(process) else value
    return done
