"""A request's body as it comes: within a deadline, and no larger than allowed."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import cast

from werkzeug.exceptions import ClientDisconnected

from gateway.bodies import Allowance

Receive = Callable[[], Awaitable[MutableMapping[str, object]]]
LEAST_RATE = 1024  # bytes per second, of a body that streams
LARGEST_READ = 1 << 20


class NotRead(Exception):
    """A body that is not read to its end; `status` says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


async def read_whole(receive: Receive, allowance: Allowance) -> bytes:
    """A small body. Raises NotRead if it is too large, does not come in time, or breaks off."""
    body = bytearray()
    try:
        async with asyncio.timeout(allowance.seconds):
            more = True
            while more:
                piece, more = _content(await receive())
                body += piece
                if len(body) > allowance.size:
                    raise NotRead(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError as error:
        raise NotRead(HTTPStatus.REQUEST_TIMEOUT) from error
    except ClientDisconnected as error:
        raise NotRead(HTTPStatus.BAD_REQUEST) from error
    return bytes(body)


def _content(message: MutableMapping[str, object]) -> tuple[bytes, bool]:
    if message["type"] != "http.request":
        raise ClientDisconnected
    return cast("bytes", message.get("body", b"")), bool(message.get("more_body", False))


class Incoming(io.RawIOBase):
    """A large body, read by a thread; the event loop waits for the network.

    Reading raises ClientDisconnected when the body breaks off, or comes more slowly than the least rate.
    """

    def __init__(self, receive: Receive, allowance: Allowance, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._receive, self._allowance, self._loop = receive, allowance, loop
        self._kept = bytearray()
        self._more = True

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # what io calls it with
        """Fill the buffer as far as possible; nothing means the end."""
        wanted = min(len(buffer), LARGEST_READ)
        if self._more and len(self._kept) < wanted:
            asyncio.run_coroutine_threadsafe(self._fill(wanted), self._loop).result()
        taken = self._kept[:wanted]
        buffer[: len(taken)] = taken
        del self._kept[: len(taken)]
        return len(taken)

    async def _fill(self, wanted: int) -> None:
        try:
            async with asyncio.timeout(self._allowance.seconds + wanted / LEAST_RATE):
                while self._more and len(self._kept) < wanted:
                    async with asyncio.timeout(self._allowance.seconds):
                        piece, self._more = _content(await self._receive())
                    self._kept += piece
        except TimeoutError as error:
            raise ClientDisconnected from error
