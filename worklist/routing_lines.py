"""On which line of a TOML file a table, a key or a value stands: tomllib does not say.

The text has been parsed by tomllib before, so it is known to be TOML; only strings, comments and brackets need care.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

Path = tuple[str | int, ...]
"""The way to a value: ("rule", 2, "match", "region") is in the third [[rule]]."""

_BASIC, _LITERAL = r'"(?:[^"\\\n]|\\.)*"', r"'[^'\n]*'"
_LONG = r'"""(?:[^\\]|\\.)*?"{3,5}|' + r"'''.*?'{3,5}"
_TOKEN = re.compile(rf"{_LONG}|{_BASIC}|{_LITERAL}|#[^\n]*|[\[\]{{}}\n]", re.DOTALL)
_NAME = rf"(?:[\w-]+|{_BASIC}|{_LITERAL})"
_KEY = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_HEADER = re.compile(r"\s*(\[\[?)\s*([^#\n]*?)\s*\]\]?\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one file."""

    starts: Mapping[Path, int]
    strings: Mapping[Path, tuple[tuple[str, int], ...]] = field(repr=False)  # those written in a key's value

    def of(self, path: Path, value: str = "") -> int:
        """The line of a key (of a string in its value), or of the closest thing around it which has a line."""
        while path and path not in self.starts:
            path = (*path, 0) if (*path, 0) in self.starts else path[:-1]
        inside = (line for text, line in self.strings.get(path, ()) if text == value)
        return next(inside, self.starts.get(path, 1))


def find_lines(text: str) -> Lines:
    """Read the positions of every table and key."""
    starts: dict[Path, int] = {}
    strings: dict[Path, tuple[tuple[str, int], ...]] = {}
    table: Path = ()
    tables: Counter[Path] = Counter()
    for line, statement in _statements(text):
        if header := _HEADER.match(statement):
            table = _table(header[2], tables, is_list=header[1] == "[[")
            starts.setdefault(table, line)
        elif key := _KEY.match(statement):
            path = (*table, *_parts(key[1]))
            starts[path] = line
            strings[path] = tuple(_strings(statement[key.end() :], line + statement[: key.end()].count("\n")))
    return Lines(starts, strings)


def line_of_syntax_error(error: tomllib.TOMLDecodeError, text: str) -> int:
    """The line that a parser's message names; the last one for "at end of document"."""
    named = re.search(r"at line (\d+)", str(error))
    return int(named[1]) if named else max(1, len(text.splitlines()))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with its first line: a newline ends it unless it is in a string or in brackets."""
    ends, depth = [0], 0
    for token in _TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == "\n" and depth == 0:
            ends.append(token.end())
    for start, end in pairwise([*ends, len(text)]):
        yield text.count("\n", 0, start) + 1, text[start:end].rstrip("\n")


def _table(name: str, tables: Counter[Path], *, is_list: bool) -> Path:
    """The path of a header; a name below [[rule]] belongs to the last of them."""
    path: Path = ()
    parts = _parts(name)
    for depth, part in enumerate(parts, 1):
        path = (*path, part)
        if is_list and depth == len(parts):
            tables[path] += 1
        if tables[path]:
            path = (*path, tables[path] - 1)
    return path


def _parts(dotted: str) -> tuple[str, ...]:
    value: Any = tomllib.loads(f"{dotted} = 0")
    parts: list[str] = []
    while isinstance(value, dict):
        ((name, value),) = value.items()
        parts.append(name)
    return tuple(parts)


def _strings(text: str, line: int) -> Iterator[tuple[str, int]]:
    for token in _TOKEN.finditer(text):
        if token[0][0] in "\"'":
            yield tomllib.loads(f"v = {token[0]}")["v"], line + text.count("\n", 0, token.start())
