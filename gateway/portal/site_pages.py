"""`/sites`: the hospitals, who of them may send, where their reports go, and whether that works."""

from __future__ import annotations

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from config.errors import Explained
from gateway.peer_calls import call, call_archive
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from gateway.portal.site_changes import CHANGES, Form
from gateway.portal.site_views import OFFERED, RETRIEVALS, RIGHTS, site_view, site_views, strangers
from gateway.site_removal import remove_site
from gateway.site_words import REFUSALS, BadName, BadPeer, checked_code, checked_name, stopped_in_words
from gateway.sites import put_site
from worklist.lacking import lacking
from worklist.lifecycle import NotFound
from worklist.models import AuditLine, Peer, Site
from worklist.priors import archive_of

Wrong = dict[str, str]


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """The list, one hospital, and what can be done on both."""
    _add_list(portal, services)
    _add_one(portal, services)
    _add_changes(portal, services)

    @portal.post("/sites/<int:site_id>/peers/<int:peer_id>/test")
    def test_peer(site_id: int, peer_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            peer = session.get(Peer, peer_id)
            if peer is None or peer.site_id != site_id or not peer.receives_reports:
                return "It was removed meanwhile. Reload the page."
        return flask.render_template("hospital_verdict.html", verdict=call(services.ways, peer))

    @portal.post("/sites/<int:site_id>/archive/test")
    def test_archive(site_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            peer = archive_of(session, site_id)
        if peer is None:
            return "It was removed meanwhile. Reload the page."
        return flask.render_template("hospital_verdict.html", verdict=call_archive(services.archives, peer))


def _add_list(portal: Blueprint, services: PortalServices) -> None:
    def render(template: str, wrong: Wrong | None = None) -> str:
        with services.database.reading() as session:
            found, unknown = site_views(session), strangers(session)
        told = {"views": found, "strangers": unknown, "refusals": REFUSALS}
        return flask.render_template(template, wrong=wrong or {}, given=flask.request.form, **told)

    @portal.get("/sites")
    def hospitals() -> ResponseReturnValue:
        return render("hospitals.html")

    @portal.get("/sites/rows")
    def hospitals_rows() -> ResponseReturnValue:
        return render("hospitals_rows.html")

    @portal.post("/sites")
    def add_hospital() -> ResponseReturnValue:
        try:
            with services.database.writing() as session:
                made = _add(session, flask.request.form.get("code", ""), flask.request.form.get("name", ""))
                _note(session, "add site", made.code)
                site_id = made.id
        except BadName as error:
            return render("hospitals.html", {"name": str(error)}), 400
        except BadPeer as error:
            return render("hospitals.html", {"code": str(error)}), 400
        flask.flash("The hospital is known. Now enter the AE titles from which it sends.", "done")
        return flask.redirect(flask.url_for("portal.hospital", site_id=site_id), 303)


def _add_one(portal: Blueprint, services: PortalServices) -> None:
    @portal.get("/sites/<int:site_id>")
    def hospital(site_id: int) -> ResponseReturnValue:
        return _page(services, site_id, {})

    @portal.get("/sites/<int:site_id>/traffic")
    def hospital_traffic(site_id: int) -> ResponseReturnValue:
        return _page(services, site_id, {}, "hospital_traffic.html")


def _add_changes(portal: Blueprint, services: PortalServices) -> None:
    changes = ", ".join(f"'{name}'" for name in CHANGES)

    @portal.post(f"/sites/<int:site_id>/<any({changes}):change>")
    def change_hospital(site_id: int, change: str) -> ResponseReturnValue:
        form = Form(flask.request.form, flask.request.files, services.ways.safe)
        try:
            with services.database.writing() as session:
                site = _site(session, site_id)
                said = CHANGES[change](session, site, form)
                _note(session, "change site", f"{site.code}: {change}. {said}")
        except Explained as error:
            field = "name" if isinstance(error, BadName) else change
            return _page(services, site_id, {field: str(error)}), 400
        flask.flash(said, "done")
        return flask.redirect(flask.url_for("portal.hospital", site_id=site_id), 303)

    @portal.post("/sites/<int:site_id>/remove")
    def remove_hospital(site_id: int) -> ResponseReturnValue:
        with services.database.writing() as session:
            site = _site(session, site_id)
            code, stopped = site.code, remove_site(session, site)
            _note(session, "remove site", code)
        said = f"{code} neither sends nor receives any more; its cases stay.{stopped_in_words(stopped)}"
        flask.flash(said, "done")
        return flask.redirect(flask.url_for("portal.hospitals"), 303)


def _page(services: PortalServices, site_id: int, wrong: Wrong, template: str = "hospital.html") -> str:
    with services.database.reading() as session:
        view = site_view(session, _site(session, site_id))
        waiting = lacking(session, services.settings.studies.longest_wait, f"site:{site_id}")
    given = flask.request.form if wrong else {}
    told = {"view": view, "wrong": wrong, "given": given, "lacking": waiting, "dicom": services.settings.dicom}
    return flask.render_template(
        template, refusals=REFUSALS, rights=RIGHTS, offered=OFFERED, retrievals=RETRIEVALS, **told
    )


def _add(session: Session, code: str, name: str) -> Site:
    known = session.query(Site).filter_by(code=checked_code(code.strip())).one_or_none()
    if known is not None and known.removed_at is None:
        raise BadPeer(f"There is a site {known.code} already ({known.name}). Choose another code, or open that one.")
    return put_site(session, code.strip(), checked_name(name), [], [])


def _site(session: Session, site_id: int) -> Site:
    site = session.get(Site, site_id)
    if site is None or site.removed_at is not None:
        raise NotFound(f"There is no site {site_id}.")
    return site


def _note(session: Session, action: str, detail: str) -> None:
    session.add(AuditLine(person_id=asking().person_id, action=action, detail=detail))
