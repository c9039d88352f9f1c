"""QIDO-RS: search for studies, series and instances (PS3.18 section 10.6).

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.6.html
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import orjson
from flask import Blueprint, Response, request

from dicomweb.accept import Offer, accepted, choose
from dicomweb.attributes import Level
from dicomweb.json_model import result
from dicomweb.parameters import parse_search
from dicomweb.rights import current_viewer
from dicomweb.searching import Page, Scope, search_rows
from dicomweb.services import Services

JSON_OFFERS: Final = (Offer("application/dicom+json"), Offer("application/json"))


def add_search_routes(blueprint: Blueprint, services: Services) -> None:
    """Every search of table 10.6.1-1."""

    @blueprint.get("/studies")
    def search_studies() -> Response:
        return _answer(services, Level.STUDY, Scope(), None)

    @blueprint.get("/series")
    def search_all_series() -> Response:
        return _answer(services, Level.SERIES, Scope(), None)

    @blueprint.get("/instances")
    def search_all_instances() -> Response:
        return _answer(services, Level.INSTANCE, Scope(), None)

    @blueprint.get("/studies/<study_uid>/series")
    def search_series(study_uid: str) -> Response:
        return _answer(services, Level.SERIES, Scope(study_uid), Level.STUDY)

    @blueprint.get("/studies/<study_uid>/instances")
    def search_study_instances(study_uid: str) -> Response:
        return _answer(services, Level.INSTANCE, Scope(study_uid), Level.STUDY)

    @blueprint.get("/studies/<study_uid>/series/<series_uid>/instances")
    def search_instances(study_uid: str, series_uid: str) -> Response:
        return _answer(services, Level.INSTANCE, Scope(study_uid, series_uid), Level.SERIES)


def _answer(services: Services, level: Level, scope: Scope, known: Level | None) -> Response:
    """Search, within the rights of whoever asks; nothing found is an empty list (CP-2473)."""
    offer = choose(accepted(request.args.getlist("accept"), request.headers.get("Accept", "")), JSON_OFFERS)
    search = parse_search(request.args, level)
    url = services.base_url()
    with services.database.reading() as session:
        page = search_rows(session, current_viewer(), search, scope, url)
    body = orjson.dumps([result(found, search, known) for found in page.found])
    response = Response(body, HTTPStatus.OK, content_type=offer.media_type)
    for words in (*search.warnings, *_said_of_rest(page)):
        response.headers.add("Warning", f"299 {url}: {words}")
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Vary"] = "Accept"
    return response


def _said_of_rest(page: Page) -> Iterable[str]:
    if page.remaining:
        yield f"There are {page.remaining} additional results that can be requested"
