"""What the browser loads: the OHIF viewer under /ohif/, our style sheets and scripts under /static/.

All of it is public and holds nothing about a patient; whose images the viewer may show is decided at /dicom-web.
It is served before the application sees the request, so neither a session nor a thread of the database is involved.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.headers import Headers

from whitenoise import WhiteNoise
from whitenoise.responders import Redirect

from config.settings import Viewer
from gateway.viewer_config import ConfigFile, viewer_config

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask

VIEWER = "/ohif/"
STATIC = "/static/"
PORTAL_FILES = Path(__file__).parent / "portal" / "static"
CONFIGURATION = f"{VIEWER}app-config.js"

# A name with the digest of its content in it never changes its content.
IMMUTABLE = re.compile(r"[./][0-9a-f]{16}\.(js|wasm|woff2)$")
WORKER = re.compile(r"/(136|2299|8097|compute|histogram-worker|interpolation|polySeg)\.bundle\.[0-9a-f]{16}\.js$")
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)

SAFE = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
# The viewer shares memory between threads, which browsers allow to isolated pages only.
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Referrer-Policy": "same-origin",
}
# Tried with OHIF 3.13.2 in Chromium. {scripts}: the digests of the two scripts inside its index.html. The page itself
# may not make code out of text; its workers may, because the decoders of compressed images cannot do without.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval' {scripts}",
    "worker-src": "'self' blob:",
    "connect-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' blob: data:",
    "font-src": "'self'",
    "media-src": "'self' blob:",
    "object-src": "'self' blob:",
    "frame-src": "'self' blob:",
    "manifest-src": "'self'",
    "frame-ancestors": "'self'",
}
WORKER_POLICY = "default-src 'none'; script-src 'self' 'unsafe-eval'; worker-src 'self' blob:; connect-src 'self'"


class AssetsMissing(Exception):
    """The front end is not installed; the message says how to."""


def mount(app: Flask, assets: Path, viewer: Viewer) -> None:
    """Let `app` serve the front end that `make setup` put into `assets`. Raises AssetsMissing if it is not there."""
    require(assets)
    app.wsgi_app = FrontEnd(app.wsgi_app, assets, viewer)  # type: ignore[method-assign]


def require(assets: Path) -> None:
    """Raise AssetsMissing unless `make setup` has put the front end into `assets`."""
    for needed in (assets / "ohif" / "index.html", assets / "web"):
        if not needed.exists():
            raise AssetsMissing(f"The viewer is not installed ({needed} is missing): run 'make setup'.")


def content_security_policy(index: str) -> str:
    """Allow the viewer what it needs, and of inline scripts exactly those in its own index page."""
    digests = (hashlib.sha256(script.encode()).digest() for script in INLINE_SCRIPT.findall(index))
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return "; ".join(f"{name} {value}" for name, value in POLICY.items()).format(scripts=scripts)


class FrontEnd:
    """A WSGI application that answers for /ohif/ and for the files of /static/ and leaves the rest to another."""

    def __init__(self, application: WSGIApplication, assets: Path, viewer: Viewer) -> None:
        self._application = application
        index = assets / "ohif" / "index.html"
        self._policy = content_security_policy(index.read_text(encoding="utf-8"))
        self._files = WhiteNoise(
            application,
            max_age=None,
            allow_all_origins=False,
            add_headers_function=self._add_headers,
            immutable_file_test=IMMUTABLE.pattern,
        )
        for folder, prefix in ((assets / "ohif", VIEWER), (assets / "web", STATIC), (PORTAL_FILES, STATIC)):
            if folder.is_dir():
                self._files.add_files(str(folder), prefix=prefix)
        own = [*SAFE.items(), *ISOLATED.items(), ("Content-Security-Policy", self._policy)]
        self._configuration = ConfigFile(viewer_config(viewer), own)
        self._files.files[VIEWER.rstrip("/")] = Redirect(VIEWER)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if path == CONFIGURATION:
            return self._configuration(environ, start_response)
        file = self._files.files.get(_index_if_page(path))
        if file is not None:
            answer: Iterable[bytes] = self._files.serve(file, environ, start_response)
            return answer
        if path.startswith(VIEWER):
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8"), *SAFE.items()])
            return [b"There is no such file in the viewer.\n"]
        return self._application(environ, start_response)

    def _add_headers(self, headers: Headers, path: str, url: str) -> None:
        del path
        headers.setdefault("Cache-Control", "no-cache")
        for name, value in SAFE.items():
            headers[name] = value
        if url.startswith(VIEWER):
            headers["Content-Security-Policy"] = WORKER_POLICY if WORKER.search(url) else self._policy
            for name, value in ISOLATED.items():
                headers[name] = value


def _index_if_page(path: str) -> str:
    """The viewer's addresses, such as /ohif/viewer, are all one page; a file's name has a dot."""
    is_page = path.startswith(VIEWER) and "." not in path.rsplit("/", 1)[-1]
    return VIEWER + "index.html" if is_page else path
