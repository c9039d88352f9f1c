"""The quick answers of `dicomweb.quick` in the words of ASGI, for the event loop to ask first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from dicomweb.quick import Asked, Quick
from dicomweb.roots import URL_PREFIX
from gateway.environ import Scope

ASGIHeaders = list[tuple[bytes, bytes]]

_BELOW: Final = f"{URL_PREFIX}/".encode()
_BODY: Final = frozenset({"content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer whose body is there."""

    status: int
    headers: ASGIHeaders
    body: bytes | bytearray


@dataclass(frozen=True, slots=True)
class Quickly:
    """Answers heads that can be answered at once. `local`: without waiting for anything, so that a loop may ask."""

    quick: Quick
    defaults: Mapping[str, str]
    """Headers of every answer of the application, where the answer has none of its own."""
    local: bool

    def answer(self, scope: Scope) -> Whole | None:
        """Return the answer to a request; None: ask the application."""
        asked = asked_of(scope)
        reply = self.quick.answer(asked) if asked else None
        if reply is None:
            return None
        own = {name for name, _ in reply.headers}
        more = ((name, value) for name, value in self.defaults.items() if name not in own)
        return Whole(reply.status.value, _encoded((*reply.headers, *more)), reply.body)


def asked_of(scope: Scope) -> Asked | None:
    """Read a head; None for what is no plain GET of an image, or has anything that would need interpretation."""
    path = cast("bytes", scope["raw_path"])
    if scope["method"] != "GET" or not path.startswith(_BELOW) or scope["query_string"] or b"%" in path:
        return None
    headers: dict[str, str] = {}
    for raw_name, raw_value in cast("Iterable[tuple[bytes, bytes]]", scope["headers"]):
        name = raw_name.decode("latin-1").lower()
        if name in headers or name in _BODY:
            return None
        headers[name] = raw_value.decode("latin-1")
    client = cast("tuple[str, int] | None", scope.get("client"))
    return Asked(path.decode("latin-1"), headers, client[0] if client else "")


def is_quick(scope: Scope) -> bool:
    """Whether asking may be worth a thread."""
    return scope["method"] == "GET" and cast("bytes", scope["raw_path"]).startswith(_BELOW)


def _encoded(headers: Iterable[tuple[str, str]]) -> ASGIHeaders:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
