"""The viewer's configuration: config/ohif.js behind the settings of this deployment, served as /ohif/app-config.js."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import config
from config.settings import Viewer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PROGRAM = Path(config.__file__).parent / "ohif.js"


def viewer_config(settings: Viewer) -> bytes:
    """The script: `deployment` first, as JSON in which nothing can end a string or a script, then the program."""
    deployment = {
        "name": settings.name,
        "workers": settings.workers,
        "prefetch": settings.prefetch,
        "saving": settings.saving,
    }
    written = json.dumps(deployment).replace("<", "\\u003c")  # ASCII alone, so no line separators either
    return f"const deployment = {written};\n{PROGRAM.read_text(encoding='utf-8')}".encode()


class ConfigFile:
    """One small file that is asked for again each time, and sent only when it changed."""

    def __init__(self, content: bytes, headers: list[tuple[str, str]]) -> None:
        self._content = content
        self._etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        self._headers = [("ETag", self._etag), ("Cache-Control", "no-cache"), *headers]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Answer GET and HEAD."""
        method = environ["REQUEST_METHOD"]
        if method not in {"GET", "HEAD"}:
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD"), *self._headers[1:]])
            return []
        if self._etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            start_response("304 Not Modified", self._headers)
            return []
        described = [("Content-Type", "text/javascript; charset=utf-8"), ("Content-Length", str(len(self._content)))]
        start_response("200 OK", [*described, *self._headers])
        return [self._content] if method == "GET" else []
