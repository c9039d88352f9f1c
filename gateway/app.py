"""The web application: the only place that puts its pieces together."""

from __future__ import annotations

from typing import Any

import flask
import orjson
from flask.json.provider import JSONProvider
from sqlalchemy.orm import Session

import dicomweb.blueprint
import dicomweb.roots
import dicomweb.services
from config.settings import Settings
from dicomweb.heads import raw_headers
from dicomweb.quick import Quick
from dicomweb.quick_searches import QuickSearches
from gateway import assets, metrics, openapi
from gateway.access_log import AccessLog
from gateway.accounts.guests import Guests, beholder
from gateway.accounts.security import protect
from gateway.accounts.sessions import viewer
from gateway.archives import archives_of
from gateway.bodies import bodies_of, refuse_early
from gateway.commitment_routes import create_commitments_api
from gateway.errors import answer_errors
from gateway.health import Health
from gateway.input import check_input
from gateway.origin import origin_of_request, path_of
from gateway.parts import Parts, build_parts
from gateway.peer_calls import PATIENCE
from gateway.portal.errors import render_error
from gateway.portal.pages import create_portal
from gateway.portal.services import PortalServices
from gateway.prior_routes import create_priors_api
from gateway.quarantine import Quarantine
from gateway.quarantine_routes import create_quarantine_api
from gateway.quickly import Quickly
from gateway.reports import content_to_show
from gateway.saved import SavedObjects
from gateway.signing import Signing
from gateway.storing import store_target
from gateway.uploads import Uploads
from gateway.warming import warm_up
from sr_reports.opinion import Opinion
from sr_reports.pdf import build_pdf
from sr_reports.sections import Section, sections
from worklist.arrival_routes import create_arrivals_api
from worklist.models import Case
from worklist.routes import Desk, create_api

# Nothing but our own files may run in our pages (CSP 3); the viewer has a policy of its own in gateway.assets.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class OrjsonProvider(JSONProvider):
    """JSON by orjson: fast, UTF-8, moments as ISO 8601; it refuses what is nested too deep instead of running out."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write compact JSON."""
        del kwargs
        return orjson.dumps(obj, default=str).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read JSON."""
        del kwargs
        return orjson.loads(s)


def create_app(settings: Settings) -> flask.Flask:
    """Build the application of one installation. Raises AssetsMissing, RuleFileError, ConfigurationError."""
    parts = build_parts(settings)
    app = assemble(parts)
    warm_up(app.extensions["overread-images"], app.extensions["overread-sessions"])
    return app


def assemble(parts: Parts) -> flask.Flask:
    """Build the application out of given parts."""
    settings = parts.settings
    app = flask.Flask("gateway", static_folder=None)
    bodies = bodies_of(settings)
    app.before_request(lambda: refuse_early(bodies))
    protect(app, parts.database, settings, parts.secrets)
    app.extensions["overread-guests"] = Guests(parts.database)
    app.json = OrjsonProvider(app)  # after protect, in which Flask-Security puts its own
    check_input(app)
    answer_errors(app, render_error)
    access_log = app.extensions["overread-access-log"] = AccessLog(parts.database)
    _add_pages(app, parts, access_log)
    images = app.extensions["overread-images"] = _dicomweb(parts, access_log)
    app.register_blueprint(dicomweb.blueprint.create_blueprint(images))
    local = parts.database.revision.local
    app.extensions["overread-quickly"] = Quickly(
        Quick(images), QuickSearches(images), raw_headers(HEADERS.items()), local
    )
    health = Health(settings, parts.database, parts.archive, parts.inbox, parts.sender)
    app.register_blueprint(metrics.create_blueprint(health, parts.folders.counters))
    app.register_blueprint(openapi.create_blueprint())
    app.after_request(_add_headers)
    assets.mount(app, settings.assets, settings.viewer)
    return app


def _add_pages(app: flask.Flask, parts: Parts, access_log: AccessLog) -> None:
    signing = Signing(parts.database, parts.cache)
    uploads = Uploads(parts.database, parts.inbox, parts.folders.uploads)

    def preview(session: Session, case: Case) -> tuple[Section, ...]:
        return sections(content_to_show(session, case, signing))

    def preview_pdf(session: Session, case: Case) -> bytes:
        return build_pdf(content_to_show(session, case, signing), draft=not case.reports)

    quarantine = Quarantine(parts.database, parts.inbox, parts.cache, parts.decoder, parts.folders.quarantine)
    app.register_blueprint(
        create_portal(PortalServices(settings=parts.settings, database=parts.database, sign=signing.sign,
                                     quarantine=quarantine, ways=parts.ways.patient(PATIENCE),
                                     archives=archives_of(parts.settings, parts.ways, parts.inbox).patient(PATIENCE),
                                     keep_upload=uploads.keep, on_their_way=uploads.on_their_way,
                                     preview=preview, preview_pdf=preview_pdf, route=parts.routing.route,
                                     saved=SavedObjects(parts.cache).of_case,
                                     cache=parts.cache, audit=access_log.note))
    )  # fmt: skip
    desk = Desk(
        database=parts.database,
        viewer=viewer,
        read_opinion=_read_opinion,
        sign=signing.sign,
        route=parts.routing.route,
        on_their_way=uploads.on_their_way,
    )
    app.register_blueprint(create_api(desk))
    app.register_blueprint(create_priors_api(parts.database, viewer))
    app.register_blueprint(create_arrivals_api(parts.database, viewer))
    app.register_blueprint(create_quarantine_api(quarantine, viewer))
    app.register_blueprint(create_commitments_api(parts.database, viewer))


def _read_opinion(body: dict[str, Any]) -> dict[str, Any]:
    return dict(Opinion.from_json(body).to_json())


def _dicomweb(parts: Parts, access_log: AccessLog) -> dicomweb.services.Services:
    return dicomweb.services.Services(
        viewer=beholder,
        database=parts.database,
        cache=parts.cache,
        baked=parts.baked,
        decoder=parts.decoder,
        base_url=lambda: origin_of_request(parts.settings) + dicomweb.roots.URL_PREFIX,
        store_target=store_target(parts.inbox, parts.database),
        spool=parts.folders.uploads,
        audit=access_log.note,
    )


def _add_headers(response: flask.Response) -> flask.Response:
    """Also: nobody is sent to another server, whatever the Host header of the request said."""
    if response.location:
        response.location = path_of(response.location)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
