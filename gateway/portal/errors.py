"""The page for an error."""

from __future__ import annotations

import flask


def render_error(status: int, title: str, detail: str) -> str:
    """Say what is the matter in our look. It asks nothing of the database, which may be what failed."""
    return flask.render_template("error.html", status=status, title=title, detail=detail)
