"""What a site has sent, for its own application entities: queries answered from our rows, with the right in the SQL.

What was made here (reports, what a reader saved) is not counted: the sender asks what has arrived.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from config.database import Database, took_too_long
from dicomweb.attributes import BY_NAME, Attribute, Level, Matching
from dicomweb.forms import Condition
from dicomweb.found import look_up
from dicomweb.json_model import result
from dicomweb.keys import conditions
from dicomweb.matching import WAS_SENT
from dicomweb.parameters import MOST_KEYS, Search
from dicomweb.problems import Problem
from dicomweb.searching import Hit, Scope, search_rows
from scp.peers import Right
from scp.queries import MOST_ANSWERS, Item, Outcome, QueryEnded, Question
from worklist.access import NOBODY, Sight
from worklist.models import Peer, Site

log = structlog.get_logger()

MOST_SECONDS: Final = 10.0
AT_ONCE: Final = 200
LEVELS: Final[Mapping[str, Level]] = {"STUDY": Level.STUDY, "SERIES": Level.SERIES, "IMAGE": Level.INSTANCE}
NOT_SAID: Final = frozenset({"00081190"})
"""Attributes of a search by DICOMweb that mean nothing here: an address."""
UIDS: Final[Mapping[Level, frozenset[str]]] = {
    Level.STUDY: frozenset({"0020000D"}),
    Level.SERIES: frozenset({"0020000D", "0020000E"}),
    Level.INSTANCE: frozenset({"0020000D", "0020000E", "00080018"}),
}
"""Returned, asked for or not: an answer says what it is about."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in the words of `dicomweb`; `supported` says that each of its keys is."""

    level: Level
    tags: frozenset[str]
    conditions: tuple[Condition, ...]
    supported: bool


def answers(database: Database, question: Question) -> Generator[tuple[list[Item], bool], None, None]:
    """Find what matches, some at a time, and whether all keys are supported. Raises QueryEnded.

    Close it where not all is wanted: it holds a connection.
    """
    try:
        with database.looking(MOST_SECONDS) as connection:
            sight = _sight(connection, question)
            asked = read_keys(question)
            page = search_rows(connection, sight, _search(asked), Scope())
            for first in range(0, len(page.hits), AT_ONCE):
                hits = page.hits[first : first + AT_ONCE]
                yield list(_items(Session(connection), asked, hits)), asked.supported
    except SQLAlchemyError as error:
        log.warning("a query was given up", peer=question.ae_title, error=type(error).__name__)
        raise QueryEnded(Outcome.TOO_LONG if took_too_long(error) else Outcome.NOT_NOW) from error
    if page.remaining:
        raise QueryEnded(Outcome.TOO_MANY)


def site_of(database: Database, ae_title: str) -> int | None:
    """Whose AE title it is; None if nobody's. Raises QueryEnded."""
    try:
        with database.reading() as session:
            return session.scalar(select(Peer.site_id).where(Peer.ae_title == ae_title, Peer.may_send).limit(1))
    except SQLAlchemyError as error:
        raise QueryEnded(Outcome.NOT_NOW) from error


def read_keys(question: Question) -> Asked:
    """Take the keys that we know, of this level and those above. Raises QueryEnded for a value that cannot be meant."""
    level = LEVELS[question.level]
    known = {tag: one for tag in question.keys if (one := BY_NAME.get(tag)) and _is_said(one, level)}
    matched = {one: question.keys[tag] for tag, one in known.items() if question.keys[tag]}
    able = {one: value for one, value in matched.items() if one.matching is not Matching.NONE}
    if len(able) > MOST_KEYS:
        raise QueryEnded(Outcome.NO_VALUE, "Too many matching keys")
    try:
        wanted = tuple(conditions(able, combined=False, sent=True))
    except Problem as error:
        raise QueryEnded(Outcome.NO_VALUE, str(error)) from error
    supported = not question.odd and len(known) == len(question.keys) and len(able) == len(matched)
    return Asked(level, frozenset(known), wanted, supported)


def _is_said(one: Attribute, level: Level) -> bool:
    return one.tag not in NOT_SAID and (one.level is None or one.level <= level)


def _sight(connection: Connection, question: Question) -> Sight:
    """What this application entity may see: what its site has sent. Raises QueryEnded for whoever has no right."""
    rows = select(Peer.site_id, Peer.rights).join(Site, Peer.site_id == Site.id)
    of_title = rows.where(Peer.ae_title == question.ae_title, Peer.may_send, Site.removed_at.is_(None))
    allowed = {site_id for site_id, rights in connection.execute(of_title) if Right.QUERY in rights}
    if len(allowed) != 1:
        raise QueryEnded(Outcome.NOT_AUTHORISED)
    return Sight(NOBODY, origin=f"site:{allowed.pop()}")


def _search(asked: Asked) -> Search:
    of_series = [WAS_SENT] if asked.level >= Level.SERIES else []
    return Search(asked.level, (*asked.conditions, *of_series), limit=MOST_ANSWERS)


def _items(session: Session, asked: Asked, hits: tuple[Hit, ...]) -> Iterator[Item]:
    include = asked.tags | UIDS[asked.level]
    for _, found in look_up(session, asked.level, hits, "", with_classes="00080062" in include, sent=True):
        written = result(found, include, None, include_all=False)
        yield {tag: element for tag, element in written.items() if tag in include}
