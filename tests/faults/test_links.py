"""Links that are cut in the middle of an object: nothing half is kept, and what was acknowledged is there."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

SEED = random.SystemRandom().randrange(1 << 16)
PIECE = 4096


class Chaos:
    """A TCP link that is cut, with a reset or an end, after a random number of bytes, until it is told to be good."""

    def __init__(self, port: int, chance: random.Random, most: int) -> None:
        self._target, self._chance, self._most = port, chance, most
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.good = False
        self.cut = 0

    def serve(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._link, args=(near,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _link(self, near: socket.socket) -> None:
        with closing(near), closing(socket.create_connection(("127.0.0.1", self._target))) as far:
            answers = threading.Thread(target=self._carry, args=(far, near, -1))
            answers.start()
            self._carry(near, far, -1 if self.good else self._chance.randrange(self._most))
            answers.join()

    def _carry(self, source: socket.socket, target: socket.socket, left: int) -> None:
        with suppress(OSError):
            while left and (piece := source.recv(PIECE)):
                piece = piece[:left] if left > 0 else piece
                left -= len(piece) if left > 0 else 0
                target.sendall(piece)
        if not left:
            self.cut += 1
            if self._chance.random() < 0.5:  # a reset instead of an end
                with suppress(OSError):
                    target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        for side in (source, target):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


@contextmanager
def chaos(port: int, most: int) -> Iterator[Chaos]:
    link = Chaos(port, random.Random(SEED), most)
    thread = threading.Thread(target=link.serve)
    thread.start()
    try:
        yield link
    finally:
        link.close()
        thread.join()


def check(installation, ledger, outside, cuts: int) -> None:
    print(f"seed {SEED}")
    with chaos(installation.dicom, 60_000) as link:
        with outside.pushing(ledger, link.port, associations=3):
            outside.wait(lambda: link.cut >= cuts, 120, f"{cuts} cut links")
            link.good = True
            outside.wait(lambda: not ledger.left(), 120, "the end of the push")
        outside.keeps_its_promise(installation, ledger)
    assert len(ledger.acknowledged) == len(ledger.files)
    outside.wait(lambda: not list((installation.data / "inbox" / "tmp").iterdir()), 60, "no unfinished file")


def test_a_link_that_is_cut_in_the_middle_of_an_object_keeps_nothing_half(installation, make_ledger, outside) -> None:
    check(installation, make_ledger(40), outside, 8)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_link_that_is_cut_again_and_again_loses_nothing(fresh_installation, make_ledger, outside) -> None:
    check(fresh_installation, make_ledger(400), outside, 100)
