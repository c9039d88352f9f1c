"""How a receiver asks the worker of its machine what a site has sent: a socket that is a file, lines of JSON.

So a receiver still needs no database, loads nothing for it, and only a query waits when the worker is away.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson

from scp.queries import Ask, Match, Matches, Outcome, QueryEnded, Question

PATIENCE: Final = 12.0  # seconds without a word from the worker: those who ask wait 30 s, often
_MOMENT: Final = 0.2
_READ: Final = 64 << 10


def asker(file: Path) -> Ask:
    """What a receiver answers queries with: whoever listens on that socket."""

    def ask(question: Question) -> Matches:
        try:
            with connected(file) as line:
                line.sendall(orjson.dumps(asdict(question)) + b"\n")
                for said in _lines(line):
                    if said is None:
                        yield None
                        continue
                    if "end" in said:
                        return _end(said["end"], said["words"])
                    for item in said["items"]:
                        yield Match(item, said["supported"])
        except (OSError, ValueError, KeyError) as error:
            raise QueryEnded(Outcome.NOT_NOW) from error
        raise QueryEnded(Outcome.NOT_NOW)

    return ask


@contextmanager
def connected(file: Path) -> Iterator[socket.socket]:
    """A connection to whoever listens there. Raises OSError."""
    with socket.socket(socket.AF_UNIX) as line, short_name(file) as name:
        line.settimeout(_MOMENT)
        line.connect(name)
        yield line


@contextmanager
def short_name(file: Path) -> Iterator[str]:
    """Another name of a socket's file: its own may be longer than the 107 bytes that unix(7) allows."""
    folder = os.open(file.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{file.name}"
    finally:
        os.close(folder)


def _end(outcome: str, words: str) -> None:
    if outcome != Outcome.SUCCESS.name:
        raise QueryEnded(Outcome[outcome], words)


def _lines(line: socket.socket) -> Iterator[dict[str, Any] | None]:
    """What the worker says; None after each moment in which it said nothing. Raises TimeoutError."""
    read, silent = bytearray(), 0.0
    while True:
        try:
            more = line.recv(_READ)
        except TimeoutError:
            silent += _MOMENT
            if silent > PATIENCE:
                raise
            yield None
            continue
        if not more:
            return
        silent = 0.0
        read += more
        *whole, rest = read.split(b"\n")
        read = bytearray(rest)
        yield from map(orjson.loads, whole)
