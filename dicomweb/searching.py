"""A search in our own rows, with the person's rights inside the SQL: which rows it finds, in which order.

What the database counts, orders and cuts is only what is in sight, so that neither totals nor pages tell anything of
other people's studies. The same study from two origins is one result: that of the row which `worklist.access` chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, bindparam, func, literal, select

from dicomweb.attributes import Level
from dicomweb.forms import Form, Kinds, clauses, values_of
from dicomweb.parameters import Search
from dicomweb.planning import Way
from dicomweb.prepared import Prepared
from worklist.access import Sight, sees_study
from worklist.models import Instance, Series, Study
from worklist.papers import SEES_PAPERS, SEES_SERIES, seeing

Fitting = Select[*tuple[Any, ...]]
"""The ids of all results, in no order."""

ORDER: Final[tuple[ColumnElement[Any], ...]] = (
    Study.study_date.desc(),
    Study.study_time.desc(),
    Study.study_uid.desc(),
    Series.number.asc().nulls_last(),
    Series.series_uid.asc(),
    Instance.number.asc().nulls_last(),
    Instance.sop_uid.asc(),
)
"""A total order; a search uses the first three (they are an index, read backwards), five or all of it."""

_ORDERED: Final = {Level.STUDY: 3, Level.SERIES: 5, Level.INSTANCE: 7}

MOST_COUNTED: Final = 1_000
"""Results after a page that are counted; of more it is said that there are more."""


class Hit(NamedTuple):
    """One result: the ids of its row and of those above it, and the version of its study.

    Whatever changes about a study, or below it, makes another version of it. `papers`: working papers are counted in
    it (`worklist.papers`), so that two people's results of one study are two.
    """

    study: int
    version: int
    papers: bool
    series: int | None = None
    instance: int | None = None


_OF_STUDY: Final = (Study.id, Study.version, SEES_PAPERS)

_COLUMNS: Final[dict[Level, tuple[Any, ...]]] = {
    Level.STUDY: _OF_STUDY,
    Level.SERIES: (*_OF_STUDY, Series.id),
    Level.INSTANCE: (*_OF_STUDY, Series.id, Instance.id),
}
"""The fields of a hit."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the path that narrows a search."""

    study_uid: str = ""
    series_uid: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The results asked for, and how many more there are after them: beyond `MOST_COUNTED` maybe even more."""

    hits: tuple[Hit, ...]
    remaining: int


def search_rows(connection: Connection, sight: Sight, search: Search, scope: Scope, way: Way = Way.NAMED) -> Page:
    """Answer one search. `way` changes nothing but the time that it takes."""
    asked = _statements(sight, _form_of(search), bool(scope.study_uid), bool(scope.series_uid), way)
    names = {"study_uid": scope.study_uid, "series_uid": scope.series_uid, "most": search.limit, "first": search.offset}
    names |= seeing(sight.viewer) | values_of(search.conditions)
    rows = asked.page.rows(connection, names) if search.limit else []
    hits = tuple(Hit(*row[:-1]) for row in rows)
    if len(hits) < search.limit:
        return Page(hits, 0)
    if rows and way is Way.LISTED:
        return Page(hits, max(0, rows[0][-1] - search.offset - len(hits)))
    ((after,),) = asked.rest.rows(connection, names | {"first": search.offset + search.limit})
    return Page(hits, after)


class _Form(NamedTuple):
    """What searches that differ in their values alone have in common: of each condition also how many it has."""

    level: Level
    conditions: tuple[tuple[Form, Kinds], ...]


def _form_of(search: Search) -> _Form:
    return _Form(search.level, tuple((one.form, tuple(map(type, one.values))) for one in search.conditions))


@dataclass(frozen=True, slots=True)
class _Statements:
    """What is asked of the database: a page, with how many fit in all at the end of each row, and what is after it.

    Where the database has all of them in hand for a page it counts them; else that is 0.
    """

    page: Prepared
    rest: Prepared


@lru_cache(maxsize=256)
def _statements(sight: Sight, form: _Form, of_study: bool, of_series: bool, way: Way) -> _Statements:
    """Build both, for all values: that costs more than asking."""
    fitting = _of_path(sight, form.level, of_study, of_series, way).where(*clauses(form.conditions))
    in_all = func.count().over() if way is Way.LISTED else literal(0)
    page = fitting.add_columns(in_all).order_by(*ORDER[: _ORDERED[form.level]])
    rest = fitting.with_only_columns(literal(1), maintain_column_froms=True).limit(MOST_COUNTED + 1)
    first, most = bindparam("first", type_=BigInteger()), bindparam("most", type_=BigInteger())
    counted = select(func.count()).select_from(rest.offset(first).subquery())
    return _Statements(Prepared(page.limit(most).offset(first)), Prepared(counted))


def forget_statements() -> None:
    """Let go of the statements of those who asked lately."""
    _statements.cache_clear()


def _of_path(sight: Sight, level: Level, of_study: bool, of_series: bool, way: Way) -> Fitting:
    """Select what is in sight below a path: a result is one row of its level, below the one row of its study."""
    rows = select(*_COLUMNS[level]).select_from(Study)
    if level >= Level.SERIES:
        study_id = Study.id + 0 if way is Way.ORDERED else Study.id  # SQLite cannot begin with a sum's other side
        rows = rows.join(Series, Series.study_id == study_id).where(SEES_SERIES)
    if level is Level.INSTANCE:
        rows = rows.join(Instance, Instance.series_id == Series.id)
    path = [Study.study_uid == bindparam("study_uid")] if of_study else []
    path += [Series.series_uid == bindparam("series_uid")] if of_series else []
    return rows.where(*path, sees_study(sight, listed=way is Way.LISTED))
