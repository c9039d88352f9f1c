"""QIDO-RS: search for studies, series and instances (PS3.18 section 10.6).

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.6.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import orjson
from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from dicomweb.accept import MULTIPART, Offer
from dicomweb.attributes import Level
from dicomweb.found import look_up
from dicomweb.json_model import result
from dicomweb.parameters import Search, remembered_search
from dicomweb.rights import current_root, current_sight, require_case
from dicomweb.roots import add_route
from dicomweb.searching import MOST_COUNTED, Hit, Page, Scope, search_rows
from dicomweb.services import Services
from dicomweb.target import negotiate
from dicomweb.xml_model import XML, native_model, xml_parts

OFFERS: Final = (Offer("application/dicom+json"), Offer("application/json"), Offer(MULTIPART, XML))


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
class _Shape:
    """How results are written: whatever else than their rows decides about their bytes."""

    root: str
    level: Level
    known: Level | None
    include: frozenset[str]
    include_all: bool
    xml: bool

    def write(self, session: Session, hits: Sequence[Hit]) -> Iterable[tuple[Hit, bytes]]:
        """Write some results."""
        make: Callable[[Any], bytes] = native_model if self.xml else orjson.dumps
        with_classes = self.include_all or "00080062" in self.include
        for hit, found in look_up(session, self.level, hits, self.root, with_classes=with_classes):
            yield hit, make(result(found, self.include, self.known, include_all=self.include_all))


def add_search_routes(blueprint: Blueprint, services: Services) -> None:
    """Let all of it be searched."""
    for route in SEARCHES:
        add_route(blueprint, route.rule, route.endpoint, partial(_answer, services, route), "GET")


def _answer(services: Services, route: SearchRoute, study_uid: str = "", series_uid: str = "") -> Response:
    """Search what is in sight; nothing found is an empty list (CP-2473), below a case that they may not see a 404."""
    offer = negotiate(*OFFERS)
    search = remembered_search(tuple(request.args.items(multi=True)), route.level)
    root = current_root(services)
    shape = _Shape(root, route.level, route.known, search.include, search.include_all, bool(offer.part))
    page, results = _results(services, search, Scope(study_uid, series_uid), shape)
    response = _xml(results) if shape.xml else _json(offer, results)
    for words in (*search.warnings, *_said_of_rest(page)):
        response.headers.add("Warning", f"299 {root}: {words}")
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Vary"] = "Accept"
    return response


def _results(services: Services, search: Search, scope: Scope, shape: _Shape) -> tuple[Page, list[bytes]]:
    sight = current_sight()
    with services.database.engine.connect() as connection:
        way = services.crowds.way(connection, sight, named=search.named or bool(scope.study_uid))
        page = search_rows(connection, sight, search, scope, way)
        if not page.hits:
            require_case(Session(connection))
            return page, []
        return page, services.written.results(shape, page.hits, lambda hits: shape.write(Session(connection), hits))


def _json(offer: Offer, results: Sequence[bytes]) -> Response:
    return Response(b"[" + b",".join(results) + b"]", HTTPStatus.OK, content_type=offer.media_type)


def _xml(results: Sequence[bytes]) -> Response:
    content, body = xml_parts(results)
    return Response(body, HTTPStatus.OK, content_type=content)


def _said_of_rest(page: Page) -> Iterable[str]:
    if page.remaining > MOST_COUNTED:
        yield f"There are more than {MOST_COUNTED} additional results that can be requested"
    elif page.remaining:
        yield f"There are {page.remaining} additional results that can be requested"
