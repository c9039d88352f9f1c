"""A limit in all for what we ask of a stranger: when it is over, the connections are cut, whatever they are doing.

A time limit for each answer does not end a peer that sends one byte before each of them runs out.
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Fuse:
    """Cuts every connection that it was told of, `seconds` after it began. As a context manager it begins at once.

    `is_burnt` says that it did: what broke then broke because of that. Safe to tell from any thread.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_burnt = False
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self.burn)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            watched, self._watched = self._watched, []
        for each in watched:
            each.close()

    def watch(self, connection: socket.socket) -> None:
        """Cut this one, too: by a second descriptor, which stays good when TLS takes the first one over."""
        with self._lock:
            self._watched.append(connection.dup())
            if self.is_burnt:
                self._cut()

    def burn(self) -> None:
        """Cut them now."""
        with self._lock:
            self.is_burnt = True
            self._cut()

    def _cut(self) -> None:
        for each in self._watched:
            with contextlib.suppress(OSError):  # not connected yet, or not any more
                each.shutdown(socket.SHUT_RDWR)
