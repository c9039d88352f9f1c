"""One kept-alive HTTP connection that asks as fast as it is answered: `python -m bench.client`, told by stdin.

A process of its own for each connection, so that the client is never what is measured. It reads a JSON plan, says
`connected`, waits for a line, works for the given seconds and prints the seconds of each request.
"""

from __future__ import annotations

import json
import sys
import time
from http import HTTPStatus
from typing import Any

from bench.connection import Answer, Connection, request


class Client:
    """A connection that is opened again, once, where the server has closed it meanwhile: as a browser does it."""

    def __init__(self, port: int, least: int) -> None:
        self._port, self._least = port, least
        self._connection = Connection(port)

    def ask(self, asked: bytes) -> None:
        """Ask and be answered. Ends the process if that is no right answer."""
        answer = self._answer(asked)
        if answer.status != HTTPStatus.OK or answer.size < self._least:
            path = asked.split(b" ", 2)[1].decode("latin-1")
            sys.exit(f"GET {path}: {answer.status}, {answer.size} bytes: {answer.beginning!r}")

    def _answer(self, asked: bytes) -> Answer:
        try:
            return self._connection.ask(asked)
        except ConnectionError:
            self._connection.close()
            self._connection = Connection(self._port)
            return self._connection.ask(asked)


def main() -> None:
    """Run the plan."""
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    client = Client(plan["port"], plan["least_bytes"])
    asked = [request(path, f"127.0.0.1:{plan['port']}", plan["headers"]) for path in plan["paths"]]
    for one in asked[: plan["warm_up"]]:
        client.ask(one)
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(_work(client, asked, plan["seconds"], plan["most"])))


def _work(client: Client, asked: list[bytes], seconds: float, most: int) -> list[float]:
    taken: list[float] = []
    begun = last = time.perf_counter()
    while last - begun < seconds and len(taken) < most:
        client.ask(asked[len(taken) % len(asked)])
        moment = time.perf_counter()
        taken.append(moment - last)
        last = moment
    return taken


if __name__ == "__main__":
    main()
