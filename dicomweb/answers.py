"""Answers with an ETag: what a browser has already is not sent again, but asked for each time.

`no-cache` makes every use of a browser's copy come here first, so that rights are checked each time and a study that
was taken away, or that another person looks at on the same machine, is not shown out of a disk cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final

from flask import Response, request

CACHE_CONTROL: Final = "private, no-cache"
REPRESENTATION: Final = "2"
"""Part of every ETag; to be changed with the way in which we write answers."""


def etag_of(*identity: object) -> str:
    """A strong ETag: the same identity always means the same bytes."""
    text = "\n".join((REPRESENTATION, *map(str, identity)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def answer(
    etag: str, content_type: str, body: Callable[[], Iterable[bytes]], *, length: int | None, vary: str = "Accept"
) -> Response:
    """Answer with what `body` returns, or with 304 without calling it. HEAD calls it, so that its status is GET's."""
    if request.if_none_match.contains_weak(etag):
        response = Response(status=HTTPStatus.NOT_MODIFIED)
        del response.headers["Content-Type"]
    else:
        chunks = body()
        response = Response(chunks, content_type=content_type, direct_passthrough=True)
        length = sum(map(len, chunks)) if isinstance(chunks, list) else length
    if length is not None and response.status_code == HTTPStatus.OK:
        response.content_length = length
    response.set_etag(etag)
    response.headers["Cache-Control"] = CACHE_CONTROL
    response.headers["Vary"] = vary
    return response
