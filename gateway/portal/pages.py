"""All pages as one blueprint."""

from __future__ import annotations

from flask import Blueprint

from gateway.portal import (
    account,
    arrivals,
    case_page,
    document_pages,
    home,
    layout,
    look_page,
    moves,
    oversight,
    prior_pages,
    quarantine_page,
    reading,
    request_pages,
    rights,
    seen_page,
    share_pages,
    shared_pages,
    site_pages,
    sites,
    token_pages,
    uploads,
    worklist_page,
)
from gateway.portal.services import PortalServices

NOUNS = (
    home,
    worklist_page,
    case_page,
    document_pages,
    look_page,
    prior_pages,
    moves,
    reading,
    request_pages,
    uploads,
    seen_page,
    share_pages,
    shared_pages,
    oversight,
    quarantine_page,
    site_pages,
    sites,
    arrivals,
    account,
    token_pages,
)


def create_portal(services: PortalServices) -> Blueprint:
    """The blueprint with every page, those of Flask-Security in our look among them."""
    portal = Blueprint("portal", __name__, template_folder="templates")
    rights.guard(portal)
    layout.furnish(portal, services.settings)
    for noun in NOUNS:
        noun.add_pages(portal, services)
    return portal
