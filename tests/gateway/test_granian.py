"""What of granian we rely on: memory of a body is used for the next one as soon as `send` has returned."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

SIZE = 1 << 20
APPLICATION = f"""
async def application(scope, receive, send):
    if scope["type"] == "http":
        body = bytearray(b"a" * {SIZE})
        head = [(b"content-length", b"{SIZE}"), (b"connection", b"close")]
        await send({{"type": "http.response.start", "status": 200, "headers": head}})
        await send({{"type": "http.response.body", "body": body}})
        body[:] = b"b" * {SIZE}
"""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def read_slowly(port: int) -> bytes:
    """An answer, taken when there was time enough to send something else in its place."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(20)
        reader.connect(("127.0.0.1", port))
        reader.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.3)
        taken = b""
        while piece := reader.recv(65536):
            taken += piece
        return taken.partition(b"\r\n\r\n")[2]


def test_a_body_is_sent_as_it_was_when_it_was_handed_over(tmp_path: Path, free_port, wait_for) -> None:
    (tmp_path / "memory_again.py").write_text(APPLICATION)
    port = free_port()
    argv = (sys.executable, "-m", "granian", "--interface", "asginl", "--port", str(port), "memory_again:application")
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: listens(port), 30)
            body = read_slowly(port)
        finally:
            server.terminate()
    assert (len(body), set(body)) == (SIZE, set(b"a"))
