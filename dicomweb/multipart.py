"""A multipart/related answer, written piece by piece: nothing is ever joined (RFC 2387, PS3.18 section 8.6.1.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice


def boundary_of(*identity: str) -> str:
    """A boundary that is always the same for the same content, so that its ETag is true for every byte.

    It is made from the digest of what is sent: nobody can put into an object the boundary that it will get.
    """
    return hashlib.sha256("\n".join(("overread boundary", *identity)).encode()).hexdigest()[:40]


def content_type(part_type: str, boundary: str) -> str:
    """The Content-Type of the whole answer."""
    return f'multipart/related; type="{part_type}"; boundary={boundary}'


def part_head(boundary: str, part_content_type: str, *, first: bool) -> bytes:
    """What stands before a part. Header names are written as OHIF's loader looks for them, case included."""
    return f"{'' if first else chr(13) + chr(10)}--{boundary}\r\nContent-Type: {part_content_type}\r\n\r\n".encode()


def closing(boundary: str) -> bytes:
    """What stands after the last part."""
    return f"\r\n--{boundary}--\r\n".encode()


def parts(boundary: str, contents: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield an answer out of the Content-Type and the chunks of each part."""
    for number, (part_content_type, chunks) in enumerate(contents):
        yield part_head(boundary, part_content_type, first=number == 0)
        yield from chunks
    yield closing(boundary)


def begun(body: Iterator[bytes]) -> Iterator[bytes]:
    """Have the first two chunks in hand, a part's head and its beginning, so that what fails at once has a status."""
    first = list(islice(body, 2))

    def whole() -> Iterator[bytes]:
        yield from first
        yield from body

    return whole()
