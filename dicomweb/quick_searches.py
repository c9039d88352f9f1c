"""Searches without an application, with the bytes and headers of the routes of `dicomweb.qido`.

What the same person has just asked is answered from memory, by a server's event loop. What is new is searched for by
a thread, which waits for the database: who asks is known from a moment before, what they may see is in the SQL. All
else is None, and the routes answer it: somebody not seen yet, what is refused, what is not a plain GET.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from sqlalchemy.exc import SQLAlchemyError

from dicomweb.finding import SEARCHES, Asking, SearchRoute, find, looks_into_images, unless_known
from dicomweb.heads import LARGEST, Asked, Reply
from dicomweb.problems import Problem
from dicomweb.rights import HEADERS
from dicomweb.roots import URL_PREFIX, case_id_of, root_url
from dicomweb.searching import Scope
from dicomweb.services import Access, Services
from dicomweb.uids import is_uid
from dicomweb.verdicts import Asker, Lately, Moment
from worklist.access import Sight

MOST_BYTES: Final = 4 << 20
LONGEST_QUERY: Final = 4096
LONGEST_PATH: Final = 256
_UID: Final = "([0-9.]{1,64})"
_ROOT: Final = rf"{URL_PREFIX}(?:/cases/([0-9]{{1,9}}))?"
_PATHS: Final = tuple((re.compile(_ROOT + re.sub("<.*?>", _UID, route.rule)), route) for route in SEARCHES)

Key = tuple[str, ...]
"""Who asks, and everything of a head that decides about the answer."""


@dataclass(frozen=True, slots=True)
class _Path:
    """What a path asks for."""

    route: SearchRoute
    case_id: int | None
    scope: Scope


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer that was given, and to whom."""

    path: _Path
    sight: Sight
    reply: Reply
    key_size: int

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self.reply.body) + self.key_size + 2048


class QuickSearches:
    """Answers for one application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._answers: Lately[Key, _Answered] = Lately(MOST_BYTES, lambda one: one.size)

    def at_hand(self, asked: Asked) -> Reply | None:
        """Return an answer of the last moment. It waits for nothing but a look at the database's revision."""
        if path_of(asked.path) is None:
            return None
        return self._again(asked, Moment.now(self._services.database.revision()))

    def may_find(self, asked: Asked) -> bool:
        """Whether `find` is likely to answer."""
        if path_of(asked.path) is None:
            return False
        now = Moment.now(self._services.database.revision())
        return self._services.askers.find(asked.asker, now) is not None

    def find(self, asked: Asked) -> Reply | None:
        """Return the answer to a search, for somebody who has asked a moment before. It waits for the database."""
        path, query = path_of(asked.path), _pairs(asked.query)
        if path is None or query is None:
            return None
        now = Moment.now(self._services.database.revision())
        known = self._services.askers.entry(asked.asker, now)
        if known is None:
            return None
        try:
            if looks_into_images(path.route, query):  # who searches does not wait behind the archive
                return None
            return self._again(asked, now) or self._new(asked, path, query, *known)
        except (Problem, SQLAlchemyError):
            return None

    def _again(self, asked: Asked, now: Moment) -> Reply | None:
        answered = self._answers.find(_key(asked), now)
        return self._told(asked, answered) if answered else None

    def _new(self, asked: Asked, path: _Path, query: tuple[tuple[str, str], ...], since: Moment, asker: Asker) -> Reply:
        sight, root = Sight(asker.viewer, path.case_id), root_url(asker.base_url, path.case_id)
        accept = asked.headers.get("accept", "")
        reply = find(self._services, Asking(sight, root, path.route, path.scope, query, accept))
        reply = Reply(reply.status, (*reply.headers, *HEADERS), reply.body)
        key = _key(asked)
        answered = _Answered(path, sight, reply, sum(map(len, key)))
        if len(reply.body) <= LARGEST:
            self._answers.keep(key, since, answered)  # no longer than we know who asks
        return self._told(asked, answered)

    def _told(self, asked: Asked, answered: _Answered) -> Reply:
        reply = unless_known(answered.reply, asked.headers.get("if-none-match", ""))
        self._services.audit(_access(asked, answered, reply))
        return reply


def path_of(path: str) -> _Path | None:
    """Read the path of a search; None for any other, and for one that the routes would refuse."""
    return _read(path) if len(path) <= LONGEST_PATH else None


@lru_cache(maxsize=256)
def _read(path: str) -> _Path | None:
    for pattern, route in _PATHS:
        if match := pattern.fullmatch(path):
            case, *uids = match.groups()
            case_id = case_id_of(case) if case else None
            if bool(case) != (case_id is not None) or not all(map(is_uid, uids)):
                return None
            return _Path(route, case_id, Scope(*uids))
    return None


def _pairs(query: str) -> tuple[tuple[str, str], ...] | None:
    """Read a query as the routes do; None for one that is odd."""
    if len(query) > LONGEST_QUERY or not query.isascii():
        return None
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except ValueError:
        return None
    return None if any("\0" in text for pair in pairs for text in pair) else tuple(pairs)


def _key(asked: Asked) -> Key:
    return (*asked.asker, asked.headers.get("accept", ""), asked.path, asked.query)


def _access(asked: Asked, answered: _Answered, reply: Reply) -> Access:
    viewer, path = answered.sight.viewer, answered.path
    return Access(
        person_id=viewer.person_id or None,
        action=path.route.endpoint,
        study_uid=path.scope.study_uid,
        series_uid=path.scope.series_uid,
        case_id=path.case_id,
        status=reply.status,
        address=asked.address,
        link_id=viewer.link.link_id if viewer.link else None,
    )
