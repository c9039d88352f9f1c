"""What every request is checked for before anybody reads it: a short head, text for a database, JSON within bounds."""

from __future__ import annotations

import flask
from werkzeug.exceptions import BadRequest, RequestHeaderFieldsTooLarge
from werkzeug.routing import IntegerConverter, Map

from gateway.bodies import sends_images

LONGEST_HEAD = 32 << 10
"""All names and values of a head: heads are remembered as they came, by anybody, and the server takes any length."""

LONGEST_TEXT = 64 << 10
LONGEST_LIST = 1_000
DEEPEST = 16
LARGEST_ID = 2**31 - 1  # of an INTEGER column


class RowId(IntegerConverter):
    """The id of a row; a number that no row can have is no address (404)."""

    regex = r"[0-9]{1,10}"

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=LARGEST_ID)


def check_input(app: flask.Flask) -> None:
    """Let the application refuse what cannot be used, in plain words."""
    app.url_map.converters["int"] = RowId
    app.before_request(_check)


def _check() -> None:
    request = flask.request
    if sum(len(name) + len(value) for name, value in request.headers) > LONGEST_HEAD:
        raise RequestHeaderFieldsTooLarge
    texts = [request.path, *request.args.keys(), *request.args.values()]
    in_body = not sends_images(request)
    if in_body and request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        texts += [text for name, value in request.form.items(multi=True) for text in (name, value)]
    for text in texts:
        _check_text(text)
    if in_body and request.is_json:
        _check_json(request.get_json(silent=True))


def _check_json(content: object) -> None:
    """Walk without recursion: what comes may be deeper than the stack."""
    level = [content]
    for _ in range(DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise BadRequest(f"The JSON is nested more than {DEEPEST} levels deep; send it as documented at /api/openapi.json.")


def _inside(value: object) -> list[object]:
    if isinstance(value, str):
        _check_text(value)
    if isinstance(value, list):
        if len(value) > LONGEST_LIST:
            raise BadRequest(f"A list has more than {LONGEST_LIST:,} entries. Send fewer.")
        return value
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return []


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise BadRequest(f"A text has {len(text):,} characters; at most {LONGEST_TEXT:,} fit. Shorten it.")
    if "\0" in text:
        raise BadRequest("A text has a NUL character in it. Remove it and send the text again.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise BadRequest("A text has half a character in it (a lone surrogate). Remove it and send the text again.")
