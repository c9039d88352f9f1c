"""The first page: for whoever is not signed in what Overread is, for everybody else where their work is."""

from __future__ import annotations

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.portal.layout import MENU
from gateway.portal.services import PortalServices


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/`."""
    del services

    @portal.get("/")
    def home() -> ResponseReturnValue:
        who = flask.g.viewer
        mine = [entry for entry in MENU if who is not None and who.roles & entry.roles]
        if mine:
            return flask.redirect(flask.url_for(mine[0].endpoint))
        return flask.render_template("home.html", signed_in=who is not None)
