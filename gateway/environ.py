"""What an ASGI server says of a request, in the words of WSGI (PEP 3333)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, MutableMapping
from io import BytesIO
from typing import cast
from urllib.parse import unquote_to_bytes

Environ = dict[str, object]
Scope = MutableMapping[str, object]
Headers = Iterable[tuple[bytes, bytes]]

UNPREFIXED = {"CONTENT_TYPE", "CONTENT_LENGTH"}
ONE_ONLY = {"CONTENT_LENGTH", "HTTP_HOST", "HTTP_AUTHORIZATION"}


def environ_of(scope: Scope) -> Environ:
    """The environment of a request without its body."""
    server, client = _address(scope, "server"), _address(scope, "client")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(cast("bytes", scope["raw_path"])).decode("latin-1"),
        "QUERY_STRING": cast("bytes", scope["query_string"]).decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    _add_headers(environ, cast("Headers", scope["headers"]))
    return environ


def has_body(environ: Environ) -> bool:
    """Whether a body follows the head (RFC 9112 section 6)."""
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") != "0"


def _add_headers(environ: Environ, headers: Headers) -> None:
    """Several lines of one name are one, as RFC 9110 section 5.3 has it; of those that must be one, the first is."""
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        key = name if name in UNPREFIXED else f"HTTP_{name}"
        if key not in environ:
            environ[key] = value
        elif key not in ONE_ONLY:
            environ[key] = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"


def _address(scope: Scope, which: str) -> tuple[str, int]:
    return cast("tuple[str, int] | None", scope.get(which)) or ("", 0)
