"""What is asked and answered without an application: a request by its head, and an answer whose body is there.

What is made for each frame is a tuple: that costs least.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple

from werkzeug.http import parse_etags

LARGEST: Final = 1 << 20
"""What is larger is not sent in one piece."""


RawHeaders = tuple[tuple[bytes, bytes], ...]
"""As they are sent, their names in lower case."""


class Asked(NamedTuple):
    """The head of a GET; `query` as it was sent, `headers` by their names in lower case, each of them once.

    `asker`: who asks, as `dicomweb.verdicts.asker_of` reads it from them.
    """

    path: str
    headers: Mapping[str, str]
    asker: tuple[str, ...]
    address: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: bytes | bytearray


class Whole(NamedTuple):
    """A whole answer as it is sent."""

    status: int
    headers: RawHeaders
    body: bytes | bytearray


def raw_headers(headers: Iterable[tuple[str, str]]) -> RawHeaders:
    """Headers as they are sent."""
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)


def is_known(etag: str, seen: str) -> bool:
    """Whether an If-None-Match field names this ETag."""
    return bool(seen) and parse_etags(seen).contains_weak(etag)
