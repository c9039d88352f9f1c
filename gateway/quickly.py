"""The quick answers of `dicomweb` in the words of ASGI, for the event loop to ask first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast

from dicomweb.heads import Asked, RawHeaders, Reply, Whole, raw_headers
from dicomweb.quick import Quick
from dicomweb.quick_searches import QuickSearches
from dicomweb.roots import URL_PREFIX
from dicomweb.verdicts import asker_of
from gateway.environ import Scope
from gateway.input import LONGEST_HEAD

_BELOW: Final = f"{URL_PREFIX}/".encode()
_BODY: Final = frozenset({"content-length", "transfer-encoding"})
_HEADS: Final = 256


@dataclass(frozen=True, slots=True)
class Quickly:
    """Answers heads without the application. `local`: a loop may ask what is at hand: that waits for nothing."""

    quick: Quick
    searches: QuickSearches
    defaults: RawHeaders
    """Headers of every answer of the application, where the answer has none of its own."""
    local: bool

    def at_hand(self, scope: Scope) -> Whole | None:
        """Return the answer to a request if it is there; None: `find` it, or ask the application.

        Raises `dicomweb.quick.MustWait` if `find` has it from the disk.
        """
        asked = asked_of(scope)
        if asked is None:
            return None
        return self._image(asked, waits=False) or self._search(self.searches.at_hand(asked))

    def may_find(self, scope: Scope) -> bool:
        """Whether `find` is worth a thread."""
        asked = asked_of(scope)
        return asked is not None and self.searches.may_find(asked)

    def find(self, scope: Scope) -> Whole | None:
        """Return the answer to a request, for which a thread may wait; None: ask the application."""
        asked = asked_of(scope)
        return (self._image(asked, waits=True) or self._search(self.searches.find(asked))) if asked else None

    def _image(self, asked: Asked, *, waits: bool) -> Whole | None:
        whole = self.quick.answer(asked, waits=waits)
        return self._with_defaults(whole) if whole else None

    def _search(self, reply: Reply | None) -> Whole | None:
        if reply is None:
            return None
        return self._with_defaults(Whole(reply.status.value, raw_headers(reply.headers), reply.body))

    def _with_defaults(self, whole: Whole) -> Whole:
        own = {name for name, _ in whole.headers}
        more = tuple(one for one in self.defaults if one[0] not in own)
        return Whole(whole.status, whole.headers + more, whole.body)


def asked_of(scope: Scope) -> Asked | None:
    """Read a head; None for what is no plain GET of an image or search, or has what would need interpretation."""
    path = cast("bytes", scope["raw_path"])
    if scope["method"] != "GET" or not path.startswith(_BELOW) or b"%" in path:
        return None
    raw = tuple(cast("list[tuple[bytes, bytes]]", scope["headers"]))
    said = _said(raw) if sum(len(name) + len(value) for name, value in raw) <= LONGEST_HEAD else None
    if said is None:
        return None
    client = cast("tuple[str, int] | None", scope.get("client"))
    query = cast("bytes", scope["query_string"]).decode("latin-1")
    return Asked(path.decode("latin-1"), *said, client[0] if client else "", query)


def is_quick(scope: Scope) -> bool:
    """Whether asking may be worth a thread."""
    return scope["method"] == "GET" and cast("bytes", scope["raw_path"]).startswith(_BELOW)


@lru_cache(maxsize=_HEADS)
def _said(raw: RawHeaders) -> tuple[Mapping[str, str], tuple[str, ...]] | None:
    """Read headers, and who asks by them: those of one viewer are the same for each frame."""
    names = [name.decode("latin-1").lower() for name, _ in raw]
    headers = dict(zip(names, (value.decode("latin-1") for _, value in raw), strict=True))
    if len(headers) < len(names) or _BODY & headers.keys():
        return None
    return headers, asker_of(headers)
