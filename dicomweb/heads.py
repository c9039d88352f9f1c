"""What is asked and answered without an application: a request by its head, and an answer whose body is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from werkzeug.http import parse_etags

LARGEST: Final = 1 << 20
"""What is larger is not sent in one piece."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The head of a GET; `query` as it was sent, `headers` by their names in lower case, each of them once."""

    path: str
    headers: Mapping[str, str]
    address: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: bytes | bytearray


def is_known(etag: str, seen: str) -> bool:
    """Whether an If-None-Match field names this ETag."""
    return bool(seen) and parse_etags(seen).contains_weak(etag)
