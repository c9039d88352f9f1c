"""QIDO-RS: search for studies, series and instances (PS3.18 section 10.6).

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.6.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

import orjson
from flask import Blueprint, Response, request

from dicomweb.accept import Offer
from dicomweb.attributes import Level
from dicomweb.json_model import result
from dicomweb.parameters import parse_search
from dicomweb.rights import current_root, current_sight, require_case
from dicomweb.roots import add_route
from dicomweb.searching import Page, Scope, search_rows
from dicomweb.services import Services
from dicomweb.target import negotiate

JSON_OFFERS: Final = (Offer("application/dicom+json"), Offer("application/json"))


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


def add_search_routes(blueprint: Blueprint, services: Services) -> None:
    """Let all of it be searched."""
    for route in SEARCHES:
        add_route(blueprint, route.rule, route.endpoint, partial(_answer, services, route), "GET")


def _answer(services: Services, route: SearchRoute, study_uid: str = "", series_uid: str = "") -> Response:
    """Search what is in sight; nothing found is an empty list (CP-2473), below a case that they may not see a 404."""
    offer = negotiate(*JSON_OFFERS)
    search = parse_search(request.args, route.level)
    url = current_root(services)
    with services.database.reading() as session:
        page = search_rows(session, current_sight(), search, Scope(study_uid, series_uid), url)
        if not page.found:
            require_case(session)
    body = orjson.dumps([result(found, search, route.known) for found in page.found])
    response = Response(body, HTTPStatus.OK, content_type=offer.media_type)
    for words in (*search.warnings, *_said_of_rest(page)):
        response.headers.add("Warning", f"299 {url}: {words}")
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Vary"] = "Accept"
    return response


def _said_of_rest(page: Page) -> Iterable[str]:
    if page.remaining:
        yield f"There are {page.remaining} additional results that can be requested"
