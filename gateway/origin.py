"""The address under which people reach us, for URLs that we write into answers."""

from __future__ import annotations

from urllib.parse import urlsplit

import flask

from config.settings import Settings


def origin_of_request(settings: Settings) -> str:
    """The public URL of the settings; on one machine, also the other name of loopback under which somebody came.

    A Host header chooses between names that we know, it is never written into an answer.
    """
    port = settings.http.port
    loopback = {f"{name}:{port}": f"http://{name}:{port}" for name in ("127.0.0.1", "localhost")}
    return settings.public_url if settings.http.public_url else loopback.get(flask.request.host, settings.public_url)


def path_of(location: str) -> str:
    """The part of an address that is below the server, so that following it leads nowhere else."""
    path = urlsplit(location)._replace(scheme="", netloc="").geturl()
    return "/" + path.lstrip("/\\")
