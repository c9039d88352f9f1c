"""The benchmark's own HTTP client reads answers as RFC 9112 has them, however they are cut into pieces on their way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from bench.connection import ROOM, Answer, Broken, Connection, request

Serve = Callable[..., int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers each request of one connection with the next of these pieces, each sent by itself."""
    threads: list[threading.Thread] = []

    def start(*answers: list[bytes]) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        threads.append(threading.Thread(target=_answer, args=(listening, answers)))
        threads[-1].start()
        port: int = listening.getsockname()[1]
        return port

    yield start
    for thread in threads:
        thread.join(20)


def _answer(listening: socket.socket, answers: tuple[list[bytes], ...]) -> None:
    with listening, listening.accept()[0] as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pieces in answers:
            asked = b""
            while not asked.endswith(b"\r\n\r\n"):
                asked += connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)


def _asked(port: int, times: int = 1) -> list[Answer]:
    connection = Connection(port, timeout=20)
    try:
        return [connection.ask(request("/", "127.0.0.1", {"Accept": "*/*"})) for _ in range(times)]
    finally:
        connection.close()


def _bytewise(text: bytes) -> list[bytes]:
    return [text[at : at + 1] for at in range(len(text))]


LENGTH = b"HTTP/1.1 200 OK\r\nServer: some\r\nContent-Length:  5\r\n\r\nhello"
CHUNKS = (
    b"HTTP/1.1 206 Partial\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1A;x=y\r\n" + 26 * b"a" + b"\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("cut", [lambda text: [text], _bytewise], ids=["whole", "bytewise"])
def test_answers_of_one_connection_follow_each_other(serve: Serve, cut: Callable[[bytes], list[bytes]]) -> None:
    answers = _asked(serve(cut(LENGTH), cut(CHUNKS), cut(LENGTH)), 3)
    assert [(one.status, one.size) for one in answers] == [(200, 5), (206, 31), (200, 5)]


def test_a_body_larger_than_the_memory_is_read_to_its_end(serve: Serve) -> None:
    size = 3 * ROOM + 7
    large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
    assert [one.size for one in _asked(serve([large], [LENGTH]), 2)] == [size, 5]


@pytest.mark.parametrize("cut_off", [LENGTH[:-1], CHUNKS[:-4], b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_an_answer_that_is_cut_off_is_none(serve: Serve, cut_off: bytes) -> None:
    with pytest.raises(Broken):
        _asked(serve([cut_off]))


def test_an_answer_without_a_length_is_none(serve: Serve) -> None:
    with pytest.raises(Broken):
        _asked(serve([b"HTTP/1.1 200 OK\r\n\r\nhello"]))
