"""The DICOMweb front as one Flask blueprint under /dicom-web, with every route below each of its roots."""

from __future__ import annotations

from flask import Blueprint

from dicomweb.problems import answer_problems
from dicomweb.qido import add_search_routes
from dicomweb.rights import guard
from dicomweb.roots import URL_PREFIX
from dicomweb.services import Services
from dicomweb.stow import add_store_routes
from dicomweb.wado import add_retrieve_routes


def create_blueprint(services: Services) -> Blueprint:
    """Build it: every route asks `services.viewer` first, and says in problem+json what it cannot answer."""
    blueprint = Blueprint("dicomweb", __name__, url_prefix=URL_PREFIX)
    answer_problems(blueprint)
    guard(blueprint, services)
    add_search_routes(blueprint, services)
    add_store_routes(blueprint, services)
    add_retrieve_routes(blueprint, services)
    return blueprint
