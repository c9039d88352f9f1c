"""Whose page sent a request with a cookie, as the browser says it: for programs in the browser that know no CSRF token.

Only a browser writes these headers, and no page can change them (https://fetch.spec.whatwg.org/#origin-header,
https://www.w3.org/TR/fetch-metadata/). Why that is enough: docs/adr/0012.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import flask
from werkzeug.exceptions import Forbidden

FOREIGN = "This request came with a cookie, but not from a page of ours. A program sends a bearer token."


def require_own_origin(request: flask.Request, public_url: str) -> None:
    """Raise Forbidden unless the browser says that a page of this origin sent the request."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    if site not in {None, "same-origin"} or origin not in _ours(request, public_url):
        raise Forbidden(FOREIGN)


def _ours(request: flask.Request, public_url: str) -> set[str]:
    """Our origin by the settings, and the one under which the browser came: no page chooses a browser's Host header."""
    public = urlsplit(public_url)
    return {f"{public.scheme}://{public.netloc}", f"{request.scheme}://{request.host}"}
