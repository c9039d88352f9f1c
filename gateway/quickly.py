"""The quick answers of `dicomweb` in the words of ASGI, for the event loop to ask first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from dicomweb.heads import Asked, Reply
from dicomweb.quick import Quick
from dicomweb.quick_searches import QuickSearches
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
    """Answers heads without the application. `local`: a loop may ask what is at hand: that waits for nothing."""

    quick: Quick
    searches: QuickSearches
    defaults: Mapping[str, str]
    """Headers of every answer of the application, where the answer has none of its own."""
    local: bool

    def at_hand(self, scope: Scope) -> Whole | None:
        """Return the answer to a request if it is there; None: `find` it, or ask the application."""
        asked = asked_of(scope)
        return self._whole(self.quick.answer(asked) or self.searches.at_hand(asked)) if asked else None

    def may_find(self, scope: Scope) -> bool:
        """Whether `find` is worth a thread."""
        asked = asked_of(scope)
        return asked is not None and self.searches.may_find(asked)

    def find(self, scope: Scope) -> Whole | None:
        """Return the answer to a request, for which a thread may wait; None: ask the application."""
        asked = asked_of(scope)
        return self._whole(self.searches.find(asked) or self.quick.answer(asked)) if asked else None

    def _whole(self, reply: Reply | None) -> Whole | None:
        if reply is None:
            return None
        own = {name for name, _ in reply.headers}
        more = ((name, value) for name, value in self.defaults.items() if name not in own)
        return Whole(reply.status.value, _encoded((*reply.headers, *more)), reply.body)


def asked_of(scope: Scope) -> Asked | None:
    """Read a head; None for what is no plain GET of an image or search, or has what would need interpretation."""
    path = cast("bytes", scope["raw_path"])
    if scope["method"] != "GET" or not path.startswith(_BELOW) or b"%" in path:
        return None
    headers: dict[str, str] = {}
    for raw_name, raw_value in cast("Iterable[tuple[bytes, bytes]]", scope["headers"]):
        name = raw_name.decode("latin-1").lower()
        if name in headers or name in _BODY:
            return None
        headers[name] = raw_value.decode("latin-1")
    client = cast("tuple[str, int] | None", scope.get("client"))
    query = cast("bytes", scope["query_string"]).decode("latin-1")
    return Asked(path.decode("latin-1"), headers, client[0] if client else "", query)


def is_quick(scope: Scope) -> bool:
    """Whether asking may be worth a thread."""
    return scope["method"] == "GET" and cast("bytes", scope["raw_path"]).startswith(_BELOW)


def _encoded(headers: Iterable[tuple[str, str]]) -> ASGIHeaders:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
