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
from werkzeug.exceptions import RequestedRangeNotSatisfiable

CACHE_CONTROL: Final = "private, no-cache"
VARY: Final = "Accept, Cookie"
REPRESENTATION: Final = "3"
"""Part of every ETag; to be changed with the way in which we write answers."""


def etag_of(*identity: object) -> str:
    """A strong ETag: the same identity always means the same bytes."""
    text = "\n".join((REPRESENTATION, *map(str, identity)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def etag_and_boundary_of(*identity: str) -> tuple[str, str]:
    """A strong ETag as `etag_of`, and a boundary as `dicomweb.multipart.boundary_of`, for the price of one digest."""
    digest = hashlib.sha256("\n".join((REPRESENTATION, "overread boundary", *identity)).encode()).hexdigest()
    return digest[:32], digest[24:]


def answer(
    etag: str, content_type: str, body: Callable[[], Iterable[bytes]], *, length: int | None, vary: str = VARY
) -> Response:
    """Answer with what `body` returns, or with 304 without calling it. HEAD calls it, so that its status is GET's."""
    if etag_is_known(etag):
        response = Response(status=HTTPStatus.NOT_MODIFIED)
        del response.headers["Content-Type"]
    else:
        chunks = body()
        response = Response(chunks, content_type=content_type, direct_passthrough=True)
        length = sum(map(len, chunks)) if isinstance(chunks, list) else length
    if length is not None and response.status_code == HTTPStatus.OK:
        response.content_length = length
    return _labelled(response, etag, vary)


def etag_is_known(etag: str) -> bool:
    """Whether the client has it already."""
    return request.if_none_match.contains_weak(etag)


def range_of_request(etag: str, length: int) -> tuple[int, int] | None:
    """The one range of bytes that is asked for, of a body of this length; None: all of it (RFC 9110 section 14).

    A request for several ranges is answered whole, as is one for a range of another version. Raises
    RequestedRangeNotSatisfiable.
    """
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or etag_is_known(etag):
        return None
    if "If-Range" in request.headers and request.if_range.etag != etag:
        return None
    found = asked.range_for_length(length)
    if found is None:
        raise RequestedRangeNotSatisfiable(length)
    return found


def partial_answer(
    etag: str, content_type: str, body: Callable[[], Iterable[bytes]], span: tuple[int, int], whole: int
) -> Response:
    """Answer with the bytes from `span[0]` on, before `span[1]`, of `whole`, which `body` returns."""
    start, stop = span
    response = Response(body(), HTTPStatus.PARTIAL_CONTENT, content_type=content_type, direct_passthrough=True)
    response.content_length = stop - start
    response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{whole}"
    return _labelled(response, etag, VARY)


def _labelled(response: Response, etag: str, vary: str) -> Response:
    response.set_etag(etag)
    response.headers["Cache-Control"] = CACHE_CONTROL
    response.headers["Vary"] = vary
    return response
