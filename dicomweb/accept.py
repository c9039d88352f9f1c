"""What a client accepts, and what we can offer (PS3.18 section 8.7).

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_8.7.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from dicomweb.problems import bad_request, not_acceptable

MULTIPART: Final = "multipart/related"
MOST_RANGES: Final = 64

_TOKEN: Final = r"[^\s,;=\"()<>@\\\[\]{}?]+"  # noqa: S105 - HTTP's word; "/" and "*" belong to media types
_TYPE = re.compile(rf"\s*(?P<type>{_TOKEN})\s*")
_PARAMETER = re.compile(rf"\s*;\s*(?:(?P<name>{_TOKEN})\s*=\s*(?:\"(?P<quoted>[^\"]*)\"|(?P<plain>{_TOKEN}))\s*)?")
_END = re.compile(r"\s*(?:,\s*)+|\s*$")
_Q = re.compile(r"0(\.\d{0,3})?|\.\d{1,3}|1(\.0{0,3})?")
"""RFC 9110 section 12.4.2, and the `q=.2` that Java's own HTTP client sends with every request."""

_UNQUOTED = re.compile(r"(?<=application/dicom) (?=json|xml)")
"""`accept=application/dicom+json` in a query, as it is written often: there, a plus that is not `%2B` is a space."""

_MEANT: Final = {"image/jpg": "image/jpeg"}
"""Names that are none, and what clients mean by them."""


@dataclass(frozen=True, slots=True)
class Range:
    """One media range of an Accept field.

    `part` is the type parameter of a multipart range, "" where there is none; `transfer_syntax` likewise.
    """

    media_type: str
    part: str = ""
    transfer_syntax: str = ""
    q: float = 1.0


class Offer(NamedTuple):
    """One representation that we can make.

    `part` is the type of the parts of a multipart offer, "" for a single part. `transfer_syntaxes` are those that
    are available, the default of the media type among them if it is; none where they do not matter. A tuple, because
    one is looked up for each frame.
    """

    media_type: str
    part: str = ""
    transfer_syntax: str = ""
    default_syntax: bool = True

    @property
    def content(self) -> str:
        """The type of what is inside."""
        return self.part or self.media_type


def accepted(query: Sequence[str], header: str) -> tuple[Range, ...]:
    """Parse what a request accepts. The query parameter, where there is one, replaces the header (8.3.3.1)."""
    text = _UNQUOTED.sub("+", ",".join(query)) if query else header
    ranges = tuple(_ranges(text)) if text.strip() else ()
    return ranges or (Range("*/*"),)


def choose(ranges: Iterable[Range], offers: Sequence[Offer]) -> Offer:
    """Return the offer that the client likes best, of equals our first; 406 if there is none."""
    rated = [(_liking(ranges, offer), offer) for offer in offers]
    liking, best = max(rated, key=lambda pair: pair[0], default=(0.0, None))
    if best is None or liking <= 0:
        raise not_acceptable("None of the accepted media types and transfer syntaxes can be made of this.")
    return best


def media_type_of(text: str) -> tuple[str, dict[str, str]]:
    """Read a Content-Type into its media type and its parameters, names in lower case; ("", {}) if it is none.

    Werkzeug's parser drops `type=application/dicom`, which RFC 2387 wants quoted and many clients do not quote.
    """
    match = _TYPE.match(text)
    if match is None:
        return "", {}
    parameters, at = _parameters(text, match.end())
    return ("", {}) if text[at:].strip() else (match["type"].lower(), parameters)


def _liking(ranges: Iterable[Range], offer: Offer) -> float:
    """The q of the most specific range that covers the offer, 0 if none does (RFC 9110 section 12.5.1)."""
    covering = [(_precision(one), one.q) for one in ranges if _covers(one, offer)]
    return max(covering, default=((), 0.0))[1]


def _precision(one: Range) -> tuple[int, ...]:
    return (-one.media_type.count("*"), -(one.part or "*/*").count("*"), len(one.transfer_syntax) > 1)


def _covers(one: Range, offer: Offer) -> bool:
    if not _type_covers(one.media_type, offer.media_type):
        return False
    if offer.part and one.media_type == MULTIPART and not _type_covers(one.part or "*/*", offer.part):
        return False
    return _syntax_covers(one, offer)


def _syntax_covers(one: Range, offer: Offer) -> bool:
    """Whether the range takes the offer's transfer syntax; one without any takes the default of the media type.

    A range that names no media type leaves the choice to us (8.7.4): it takes what is stored.
    """
    if not offer.transfer_syntax or one.transfer_syntax in {"*", offer.transfer_syntax}:
        return True
    named = one.part if one.media_type == MULTIPART else one.media_type
    return not one.transfer_syntax and (offer.default_syntax or "*" in (named or "*"))


def _type_covers(pattern: str, media_type: str) -> bool:
    if pattern in {"*/*", "*", media_type}:
        return True
    return pattern.endswith("/*") and media_type.startswith(pattern[:-1])


def _ranges(text: str) -> Iterable[Range]:
    at = 0
    for _ in range(MOST_RANGES):
        media_type = _TYPE.match(text, at)
        if media_type is None:
            raise bad_request("The Accept field cannot be read.")
        parameters, at = _parameters(text, media_type.end())
        yield _range(media_type["type"].lower(), parameters)
        end = _END.match(text, at)
        if end is None:
            raise bad_request("The Accept field cannot be read.")
        at = end.end()
        if at == len(text):
            return
    raise bad_request("The Accept field names too many media types.")


def _parameters(text: str, at: int) -> tuple[dict[str, str], int]:
    found: dict[str, str] = {}
    while match := _PARAMETER.match(text, at):
        at = match.end()
        if match["name"]:
            found.setdefault(match["name"].lower(), (match["quoted"] or match["plain"] or "").strip())
    return found, at


def _range(media_type: str, parameters: dict[str, str]) -> Range:
    q = parameters.get("q", "1")
    if not _Q.fullmatch(q):
        raise bad_request("The Accept field has a q that is no weight between 0 and 1.")
    part = parameters.get("type", "").lower() if media_type == MULTIPART else ""
    named, inside = (_MEANT.get(name, name) for name in (media_type, part))
    return Range(named, inside, parameters.get("transfer-syntax", ""), float(q))
