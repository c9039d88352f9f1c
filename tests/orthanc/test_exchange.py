"""Questions by hand: whatever is not a whole, plain answer is told apart from one, and asked for by other means."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from orthanc.errors import ArchiveUnavailable
from orthanc.exchange import Answer, CutShort, NotPlain, exchange, head_of
from orthanc.wire import Wire

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nwho\r\n2\r\nle\r\n0\r\n\r\n"
QUESTION = head_of("GET", "/system", {"Host": "archive", "Accept": "*/*"})


def asked(*pieces: bytes) -> Answer:
    """Ask somebody who answers with these pieces and hangs up."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        with theirs:
            theirs.recv(1024)
            for piece in pieces:
                theirs.sendall(piece)

    with ours:
        ours.settimeout(10)
        answering = threading.Thread(target=answer)
        answering.start()
        try:
            return exchange(ours, QUESTION)
        finally:
            answering.join()


@contextmanager
def serving(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives every question this answer and hangs up: its address, and the questions that it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # the listener is closed
                serve_each()

        def serve_each() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(4096))
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(4096)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard


@pytest.mark.parametrize("cut", [1, 12, 17, 30, len(PLAIN) - 5, len(PLAIN) - 1])
def test_an_answer_is_whole_however_it_is_cut_on_its_way(cut: int) -> None:
    assert asked(PLAIN[:cut], PLAIN[cut:]) == Answer(200, b"whole", is_last=False)


def test_what_orthanc_says_of_a_refusal_is_read_too() -> None:
    assert asked(b"HTTP/1.1 404 Not Found\r\ncontent-length:0\r\nConnection: close\r\n\r\n") == Answer(
        404, b"", is_last=True
    )


@pytest.mark.parametrize("kept", range(len(PLAIN) - 5, len(PLAIN)))
def test_an_answer_that_ends_too_early_is_none(kept: int) -> None:
    with pytest.raises(CutShort):
        asked(PLAIN[:kept])


@pytest.mark.parametrize("kept", [0, 1, 20])
def test_a_connection_that_ends_before_the_answer_may_be_a_kept_one_let_go(kept: int) -> None:
    with pytest.raises(ConnectionError):
        asked(PLAIN[:kept])


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED,
        b"HTTP/1.1 200 OK\r\n\r\nwhole",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
        b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nwhole",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"x" * 100_000,
    ],
)
def test_every_other_answer_is_not_plain(answer: bytes) -> None:
    with pytest.raises(NotPlain):
        asked(answer)


def test_an_answer_that_comes_before_the_question_was_out_counts() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n")
        theirs.shutdown(socket.SHUT_RD)
        assert exchange(ours, QUESTION, [b"x" * 100_000]).status == 413


def wire(url: str, ask: Callable[[Wire], bytes]) -> bytes:
    opened = Wire(url, "somebody", "secret", 1, 10)
    try:
        return ask(opened)
    finally:
        opened.close()


def test_an_answer_through_a_proxy_in_chunks_is_read_as_well() -> None:
    with serving(CHUNKED) as (url, heard):
        assert wire(url, lambda it: it.read("GET", "/a") + it.read("GET", "/b")) == b"wholewhole"
    assert [question.split()[1] for question in heard] == [b"/a", b"/a", b"/b"]  # it is found out once


def test_a_question_says_to_whom_and_from_whom_it_is() -> None:
    with serving(PLAIN) as (url, heard):
        assert wire(f"{url}/below", lambda it: it.read("GET", "/system")) == b"whole"
    start, *lines = heard[0].lower().split(b"\r\n")
    assert start == b"get /below/system http/1.1"
    assert f"host: {url.removeprefix('http://')}".encode() in lines
    assert any(line.startswith(b"authorization: basic ") for line in lines)


def test_an_address_that_is_not_ascii_is_one_too() -> None:
    """A question by hand to such an address once could not be written at all, and no error of the archive said so."""
    with serving(PLAIN) as (url, heard):
        assert wire(f"{url}/röntgen", lambda it: it.read("GET", "/system")) == b"whole"
    assert heard[0].startswith(b"GET /r%C3%B6ntgen/system HTTP/1.1\r\n")


def test_a_connection_that_was_closed_after_an_answer_is_opened_anew() -> None:
    with serving(PLAIN) as (url, heard):
        assert wire(url, lambda it: it.read("GET", "/a") + it.read("GET", "/b")) == b"wholewhole"
    assert len(heard) == 2


def test_an_answer_cut_short_means_try_again() -> None:
    with serving(PLAIN[:-1]) as (url, heard), pytest.raises(ArchiveUnavailable, match="middle of an answer"):
        wire(url, lambda it: it.read("GET", "/system"))
    assert len(heard) == 1
