"""Which roles a page is for: one table, asked before every request; a page that is not in it is nobody's.

What somebody may see and do *within* a page is decided by worklist.access and worklist.lifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.accounts.sessions import viewer
from worklist.access import OVERSEERS, Viewer
from worklist.states import Role

EVERYBODY = frozenset(Role)
READERS = frozenset({Role.READER}) | OVERSEERS
PATIENTS = frozenset({Role.PATIENT})
SITES = frozenset({Role.SITE})
SENDERS = SITES | OVERSEERS
REQUESTERS = PATIENTS | SITES | OVERSEERS

OPEN_TO_ALL = frozenset({"home", "shared", "open_link", "close_link", "shared_case", "shared_look", "shared_report"})
PAGES: Mapping[str, frozenset[Role]] = {
    "account": EVERYBODY,
    "change_password": EVERYBODY,
    "end_device": EVERYBODY,
    "end_other_devices": EVERYBODY,
    "worklist": READERS,
    "worklist_rows": READERS,
    "case": EVERYBODY,
    "case_state": EVERYBODY,
    "case_news": EVERYBODY,
    "case_remarks": EVERYBODY,
    "case_images": EVERYBODY,
    "case_saved": READERS,
    "case_priors": READERS,
    "change_priors": READERS,
    "look": EVERYBODY,
    "case_document": EVERYBODY,
    "case_document_pdf": EVERYBODY,
    "case_seen": REQUESTERS,
    "links": REQUESTERS,
    "make_link": REQUESTERS,
    "end_link": REQUESTERS,
    "move": EVERYBODY,
    "preview": frozenset({Role.READER}),
    "preview_pdf": frozenset({Role.READER}),
    "confirm_signing": frozenset({Role.READER}),
    "sign": frozenset({Role.READER}),
    "requests": PATIENTS,
    "requests_rows": PATIENTS,
    "new_request": PATIENTS,
    "start_request": PATIENTS,
    "edit_request": REQUESTERS,
    "change_request": REQUESTERS,
    "upload": PATIENTS,
    "oversight": OVERSEERS,
    "oversight_rows": OVERSEERS,
    "trouble_seen": OVERSEERS,
    "delivery_again": OVERSEERS,
    "priors_again": OVERSEERS,
    "quarantine": OVERSEERS,
    "quarantine_rows": OVERSEERS,
    "kept_aside": OVERSEERS,
    "kept_aside_picture": OVERSEERS,
    "decide": OVERSEERS,
    "hospitals": OVERSEERS,
    "hospitals_rows": OVERSEERS,
    "add_hospital": OVERSEERS,
    "hospital": OVERSEERS,
    "hospital_traffic": OVERSEERS,
    "change_hospital": OVERSEERS,
    "remove_hospital": OVERSEERS,
    "test_peer": OVERSEERS,
    "test_archive": OVERSEERS,
    "tokens": SENDERS,
    "make_token": SENDERS,
    "end_token": SENDERS,
    "site": SITES,
    "site_rows": SITES,
    "arrived": SENDERS,
    "arrived_rows": SENDERS,
    "arrived_csv": SENDERS,
}


def guard(portal: Blueprint) -> None:
    """Let nobody into a page of `portal` but those for whom the table has it."""

    @portal.before_request
    def deny_by_default() -> ResponseReturnValue | None:
        page = (flask.request.endpoint or "").rpartition(".")[2]
        flask.g.viewer = who = viewer()
        if page in OPEN_TO_ALL:
            return None
        if who is None:
            return _to_sign_in()
        if not who.roles & PAGES.get(page, frozenset()):
            flask.abort(404)
        return None

    @portal.after_request
    def keep_private(response: flask.Response) -> flask.Response:
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


def asking() -> Viewer:
    """The signed-in person who asks for this page."""
    who = flask.g.viewer
    assert isinstance(who, Viewer)  # noqa: S101  # deny_by_default saw to it
    return who


def _to_sign_in() -> ResponseReturnValue:
    """A page goes to sign-in and comes back; a part of a page (htmx) or a script is told, and says it in its place."""
    if flask.request.headers.get("HX-Request") or flask.request.headers.get("X-CSRFToken"):
        return "You were signed out. Sign in again to go on.", 401
    wanted = flask.request.full_path.rstrip("?") if flask.request.method == "GET" else "/"
    return flask.redirect(flask.url_for("security.login", next=wanted))
