"""QIDO-RS: search for studies, series and instances (PS3.18 section 10.6).

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.6.html
"""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, request

from dicomweb.finding import SEARCHES, Asking, SearchRoute, find, unless_known
from dicomweb.rights import current_root, current_sight
from dicomweb.roots import add_route
from dicomweb.searching import Scope
from dicomweb.services import Services


def add_search_routes(blueprint: Blueprint, services: Services) -> None:
    """Let all of it be searched."""
    for route in SEARCHES:
        add_route(blueprint, route.rule, route.endpoint, partial(_answer, services, route), "GET")


def _answer(services: Services, route: SearchRoute, study_uid: str = "", series_uid: str = "") -> Response:
    asking = Asking(
        sight=current_sight(),
        root=current_root(services),
        route=route,
        scope=Scope(study_uid, series_uid),
        query=tuple(request.args.items(multi=True)),
        accept=request.headers.get("Accept", ""),
    )
    reply = unless_known(find(services, asking), request.headers.get("If-None-Match", ""))
    response = Response(bytes(reply.body), reply.status)
    response.headers.clear()
    response.headers.extend(reply.headers)
    return response
