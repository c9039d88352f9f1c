"""Tokens with which a program of a hospital, or of those who oversee, acts for the person who makes them."""

from __future__ import annotations

from datetime import timedelta

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from gateway.accounts.scopes import SCOPES
from gateway.accounts.sessions import sessions
from gateway.accounts.tokens import LIVES, Purpose, TooManyTokens, issue_here, of_person, take_away
from gateway.origin import origin_of_request
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices

LONGEST_NAME = 80


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/tokens`: the list with its form; making one, taking one away."""

    def render(session: Session, made: str = "", problem: str = "") -> str:
        told = {"tokens": of_person(session, asking().person_id), "scopes": SCOPES, "lives": LIVES}
        root = f"{origin_of_request(services.settings)}/dicom-web"
        return flask.render_template("tokens.html", **told, made=made, problem=problem, root=root)

    @portal.get("/tokens")
    def tokens() -> ResponseReturnValue:
        with services.database.reading() as session:
            return render(session)

    @portal.post("/tokens")
    def make_token() -> ResponseReturnValue:
        with services.database.writing() as session:
            try:
                return render(session, made=issue_here(session, asking().person_id, _purpose()))
            except TooManyTokens as error:
                return render(session, problem=str(error)), 409

    @portal.post("/tokens/<int:token_id>/end")
    def end_token(token_id: int) -> ResponseReturnValue:
        with services.database.writing() as session:
            take_away(session, asking().person_id, token_id)
        sessions().forget()
        flask.flash("The token is taken away. A program that used it is refused from now on.", "done")
        return flask.redirect(flask.url_for("portal.tokens"), 303)


def _purpose() -> Purpose:
    form = flask.request.form
    scope, days = form.get("scope", ""), form.get("days", type=int)
    return Purpose(
        name=form.get("name", "").strip()[:LONGEST_NAME] or "a program",
        scope=scope if scope in SCOPES else next(iter(SCOPES)),
        life=timedelta(days=days if days in LIVES else LIVES[0]),
    )
