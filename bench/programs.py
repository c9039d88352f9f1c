"""Programs that a measurement starts: they die with it, write their log into its folder, and know TCP_NODELAY."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib import error, request

from bench.notebook import NotMeasured
from gateway.supervisor import die_with_parent

STOP_SECONDS = 40.0


def environment() -> dict[str, str]:
    """Ours, and no 40 ms pause for each instance: Debian's DCMTK leaves Nagle's algorithm on."""
    return {**os.environ, "TCP_NODELAY": "1"}


def start(argv: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
    """Start a program that ends when we do."""
    with log.open("ab") as out:
        return subprocess.Popen(
            argv, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out,
            preexec_fn=die_with_parent,
        )  # fmt: skip


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, and wait until it has."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


@contextmanager
def running(argv: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for as long as the block lasts."""
    process = start(argv, log)
    try:
        yield process
    finally:
        stop(process)


def free_port() -> int:
    """A TCP port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], object], seconds: float, what: str, pause: float = 0.05) -> None:
    """Return when the condition holds. Raises NotMeasured if it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise NotMeasured(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(pause)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def call(url: str, method: str = "GET", headers: dict[str, str] | None = None, body: object = None) -> Any:
    """One request with a JSON answer. Raises NotMeasured if it is refused."""
    data = None if body is None else json.dumps(body).encode()
    asked = request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with request.urlopen(asked, timeout=60) as answer:
            return json.loads(answer.read() or b"null")
    except error.HTTPError as refused:
        with refused:
            raise NotMeasured(f"{method} {url}: {refused.code} {refused.read()[:300]!r}") from refused
