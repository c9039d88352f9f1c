"""One kept-alive HTTP connection that asks as fast as it is answered: `python -m bench.client`, told by stdin.

A process of its own for each connection, so that the client is never what is measured. It reads a JSON plan, says
`connected`, waits for a line, works for the given seconds and prints the seconds of each request.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any

BUFFER = bytearray(1 << 20)


def main() -> None:
    """Run the plan."""
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    connection = http.client.HTTPConnection("127.0.0.1", plan["port"], timeout=120)
    paths, headers, least = plan["paths"], plan["headers"], plan["least_bytes"]
    for path in paths[: plan["warm_up"]]:
        _ask(connection, path, headers, least)
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(_work(connection, plan, paths)))


def _work(connection: http.client.HTTPConnection, plan: dict[str, Any], paths: list[str]) -> list[float]:
    taken: list[float] = []
    headers, least = plan["headers"], plan["least_bytes"]
    begun = last = time.perf_counter()
    while last - begun < plan["seconds"] and len(taken) < plan["most"]:
        _ask(connection, paths[len(taken) % len(paths)], headers, least)
        moment = time.perf_counter()
        taken.append(moment - last)
        last = moment
    return taken


def _ask(connection: http.client.HTTPConnection, path: str, headers: dict[str, str], least: int) -> None:
    answer = _answer(connection, path, headers)
    size = 0
    while more := answer.readinto(BUFFER):
        size += more
    if answer.status != http.HTTPStatus.OK or size < least:
        sys.exit(f"GET {path}: {answer.status}, {size} bytes: {bytes(BUFFER[: min(size, 200)])!r}")


def _answer(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    """As a browser does it: a kept connection that the server has closed meanwhile is opened again, once."""
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse()
    except ConnectionError:
        connection.close()
        connection.request("GET", path, headers=headers)
        return connection.getresponse()


if __name__ == "__main__":
    main()
