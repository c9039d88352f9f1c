"""What a bearer token may be used for, of all that its person may do: one table. What is not in it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import flask

READS: Final = frozenset({"GET", "HEAD"})
WRITES: Final = frozenset({"POST"})


@dataclass(frozen=True, slots=True)
class Scope:
    """`methods` on DICOMweb; None: everything, on every address."""

    words: str
    methods: frozenset[str] | None


WHOLE: Final = "person"
SCOPES: Final[Mapping[str, Scope]] = {
    "images": Scope("Search, fetch and store images (DICOMweb)", READS | WRITES),
    "images:read": Scope("Search and fetch images (DICOMweb)", READS),
    "images:store": Scope("Store images (DICOMweb), see none", WRITES),
    WHOLE: Scope("Everything that you may do, in the API too", None),
}


def allows(scope: str, request: flask.Request) -> bool:
    """Whether a token of this scope proves anything for this request."""
    known = SCOPES.get(scope)
    if known is None:
        return False
    return known.methods is None or (request.blueprint == "dicomweb" and request.method in known.methods)
