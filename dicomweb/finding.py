"""QIDO-RS without the web: what can be searched (PS3.18 table 10.6.1-1), and the answer to one search.

The route (`dicomweb.qido`) and the event loop's threads (`dicomweb.quick_searches`) answer with the same function.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import orjson
from sqlalchemy.orm import Session

from dicomweb.accept import MULTIPART, Offer, accepted, choose
from dicomweb.answers import VARY
from dicomweb.attributes import Found, Level
from dicomweb.described import OF_ROWS, Described, beyond_rows
from dicomweb.found import look_up
from dicomweb.heads import Reply, is_known
from dicomweb.json_model import Element, result
from dicomweb.parameters import Search, remembered_search
from dicomweb.rights import require_case
from dicomweb.searching import MOST_COUNTED, Hit, Page, Scope, search_rows
from dicomweb.services import Services
from dicomweb.xml_model import XML, native_model, xml_parts
from worklist.access import Sight

OFFERS: Final = (Offer("application/dicom+json"), Offer("application/json"), Offer(MULTIPART, XML))
NOT_KEPT: Final = (("Cache-Control", "private, no-store"), ("Vary", VARY))
"""No browser keeps a list of patients. A program that does may ask whether it has changed, by its ETag."""

OF_BODY: Final = frozenset({"Content-Type", "Content-Length"})


@dataclass(frozen=True, slots=True)
class SearchRoute:
    """One resource that can be searched: what it is of, and the level down to which its path says where it is."""

    rule: str
    endpoint: str
    level: Level
    known: Level | None = None


SEARCHES: Final = (
    SearchRoute("/studies", "search_studies", Level.STUDY),
    SearchRoute("/series", "search_all_series", Level.SERIES),
    SearchRoute("/instances", "search_all_instances", Level.INSTANCE),
    SearchRoute("/studies/<study_uid>/series", "search_series", Level.SERIES, Level.STUDY),
    SearchRoute("/studies/<study_uid>/instances", "search_study_instances", Level.INSTANCE, Level.STUDY),
    SearchRoute("/studies/<study_uid>/series/<series_uid>/instances", "search_instances", Level.INSTANCE, Level.SERIES),
)
"""Table 10.6.1-1."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One search: in whose sight, below which public root, of what, by which query (its pairs), how to be written."""

    sight: Sight
    root: str
    route: SearchRoute
    scope: Scope
    query: tuple[tuple[str, str], ...]
    accept: str


@dataclass(frozen=True, slots=True)
class _Shape:
    """How results are written: whatever else than their rows decides about their bytes.

    `include`: tags that were asked for, of those that rows say; `beyond`: those that only the images themselves say.
    Others say nothing, and a shape is remembered.
    """

    root: str
    level: Level
    known: Level | None
    include: frozenset[str]
    beyond: frozenset[str]
    include_all: bool
    xml: bool

    def read(self, session: Session, hits: Sequence[Hit]) -> Iterable[tuple[Hit, Found]]:
        """Read what the rows of some results say."""
        with_classes = self.include_all or "00080062" in self.include
        return look_up(session, self.level, hits, self.root, with_classes=with_classes)

    def write(self, session: Session, hits: Sequence[Hit]) -> Iterable[tuple[Hit, bytes]]:
        """Write some results."""
        for hit, found in self.read(session, hits):
            yield hit, self.written(found, {})

    def written(self, found: Found, more: dict[str, Element]) -> bytes:
        """Write one result with more than its rows say."""
        make: Callable[[Any], bytes] = native_model if self.xml else orjson.dumps
        told = result(found, self.include, self.known, include_all=self.include_all)
        return make(dict(sorted((more | told).items())) if more else told)


def find(services: Services, asking: Asking) -> Reply:
    """Search what is in sight. Nothing found is an empty list (CP-2473).

    Raises Problem for what cannot be meant or made, and `not_found()` below a case that they may not see.
    """
    offer = _offer(asking.accept, tuple(value for name, value in asking.query if name == "accept"))
    route, search = asking.route, remembered_search(asking.query, asking.route.level)
    beyond = beyond_rows(route.level, route.known, search.include)
    include = search.include & OF_ROWS
    shape = _Shape(asking.root, route.level, route.known, include, beyond, search.include_all, bool(offer.part))
    page, results = _results(services, asking, search, shape)
    content_type, body = xml_parts(results) if shape.xml else (offer.media_type, b"[" + b",".join(results) + b"]")
    said = ((f"299 {asking.root}: {words}") for words in (*search.warnings, *_said_of_rest(page)))
    warnings = tuple(("Warning", one) for one in said)
    etag = hashlib.sha256(content_type.encode() + body).hexdigest()[:32]
    headers = (("Content-Type", content_type), ("Content-Length", str(len(body))), *warnings, *NOT_KEPT)
    return Reply(HTTPStatus.OK, (*headers, ("ETag", f'"{etag}"')), body)


def unless_known(reply: Reply, seen: str) -> Reply:
    """Return what is sent to somebody who has what an If-None-Match field names: 304 if it is this."""
    etag = next(value for name, value in reply.headers if name == "ETag")
    if not is_known(etag.strip('"'), seen):
        return reply
    kept = tuple(one for one in reply.headers if one[0] not in OF_BODY)
    return Reply(HTTPStatus.NOT_MODIFIED, kept, b"")


@lru_cache(maxsize=256)
def _offer(header: str, query: tuple[str, ...]) -> Offer:
    return choose(accepted(query, header), OFFERS)


def _results(services: Services, asking: Asking, search: Search, shape: _Shape) -> tuple[Page, list[bytes]]:
    sight, scope = asking.sight, asking.scope
    with services.database.engine.connect() as connection:
        way = services.crowds.way(connection, sight, named=search.named or bool(scope.study_uid))
        page = search_rows(connection, sight, search, scope, way)
        if not page.hits:
            require_case(Session(connection), sight)
            return page, []
        if not shape.beyond:
            return page, services.written.results(shape, page.hits, lambda hits: shape.write(Session(connection), hits))
        results = [found for _, found in shape.read(Session(connection), page.hits)]
    described = Described(services.baked, asking.root, shape.beyond)
    return page, [shape.written(found, described.of(found)) for found in results]


def looks_into_images(route: SearchRoute, query: tuple[tuple[str, str], ...]) -> bool:
    """Whether the answer to a search may have to wait for the archive. Raises Problem for what cannot be meant."""
    return bool(beyond_rows(route.level, route.known, remembered_search(query, route.level).include))


def _said_of_rest(page: Page) -> Iterable[str]:
    if page.remaining > MOST_COUNTED:
        yield f"There are more than {MOST_COUNTED} additional results that can be requested"
    elif page.remaining:
        yield f"There are {page.remaining} additional results that can be requested"
