"""Who asks the API: one check before every request of a blueprint, so that no route can forget it."""

from __future__ import annotations

from collections.abc import Callable

import flask
from flask import Blueprint

from worklist.access import Viewer
from worklist.lifecycle import NotFound

Ask = Callable[[], Viewer | None]
NOTHING_HERE = "There is nothing here, or nothing that you may see."


class NotSignedIn(Exception):
    """Nobody is signed in: sign in or send a bearer token."""


def guard(api: Blueprint, viewer: Ask, may: Callable[[Viewer], bool] = lambda _who: True) -> None:
    """Let nobody reach a route of `api` but a signed-in person who `may`; to others it is not there (NotFound).

    The routes learn from `asking` who it is.
    """

    @api.before_request
    def deny_by_default() -> None:
        who = viewer()
        if who is None:
            raise NotSignedIn("Sign in, or send a bearer token.")
        if not may(who):
            raise NotFound(NOTHING_HERE)
        flask.g.viewer = who


def asking() -> Viewer:
    """The person who asks, in a route of a guarded blueprint."""
    who = flask.g.viewer
    assert isinstance(who, Viewer)  # noqa: S101  # deny_by_default saw to it
    return who
