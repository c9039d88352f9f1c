"""Asking a web server over several connections at once, each from a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import IO

from bench.notebook import NotMeasured


@dataclass(frozen=True, slots=True)
class Server:
    """A DICOMweb server: its processes, where it is, and what a client must send along."""

    name: str
    pid: int
    port: int
    root: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asking:
    """What one connection does: `paths` in turn for `seconds`, at most `most` times, after `warm_up` requests."""

    port: int
    paths: list[str]
    headers: dict[str, str]
    seconds: float
    most: int = 1_000_000
    warm_up: int = 2
    least_bytes: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """The seconds of each request, by connection."""

    taken: list[list[float]] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second, over all connections."""
        return sum(len(one) / sum(one) for one in self.taken if one)

    @property
    def answers(self) -> int:
        """How many there were."""
        return sum(map(len, self.taken))

    @property
    def median_ms(self) -> float:
        """The median time of a request, in ms."""
        return 1000 * median(taken for one in self.taken for taken in one)


def ask(asking: Asking, connections: int = 1) -> Asked:
    """Ask over so many connections; each begins elsewhere in the paths. Raises NotMeasured at the first bad answer."""
    clients = [_client(asking, number, connections) for number in range(connections)]
    try:
        for client in clients:
            if _pipe(client.stdout).readline() != "connected\n":
                raise NotMeasured(_last_line(client.communicate(timeout=20)[1]))
        for client in clients:
            _pipe(client.stdin).write("go\n")
            _pipe(client.stdin).flush()
        return Asked([_result(client) for client in clients])
    finally:
        for client in clients:
            client.kill()
            client.communicate()


def _client(asking: Asking, number: int, connections: int) -> subprocess.Popen[str]:
    client = subprocess.Popen(
        [sys.executable, "-m", "bench.client"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    first = number * len(asking.paths) // connections
    plan = asdict(asking) | {"paths": asking.paths[first:] + asking.paths[:first]}
    _pipe(client.stdin).write(json.dumps(plan) + "\n")
    _pipe(client.stdin).flush()
    return client


def _result(client: subprocess.Popen[str]) -> list[float]:
    out, err = client.communicate()
    if client.returncode:
        raise NotMeasured(_last_line(err))
    taken: list[float] = json.loads(out)
    return taken


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["a client of the benchmark ended without a word"])[-1][:300]


def _pipe(end: IO[str] | None) -> IO[str]:
    assert end is not None
    return end
