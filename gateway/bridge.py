"""ASGI in front, WSGI behind: one event loop waits for slow clients, threads only work.

granian gives a thread to a WSGI request as soon as its head is there, and that thread then waits for the body without
an end: 96 slow senders stopped everything. Here a small body is complete, within its deadline, before a thread is
taken; and an answer that its reader does not take holds none either. See docs/adr/0010-slow-clients.md. Frames, the
metadata of a series and searches, where they are at hand, take none at all (docs/adr/0014, 0023).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

import structlog

from dicomweb.heads import Whole
from dicomweb.quick import MustWait
from gateway.bodies import REFUSED, Admission, Places, TooMany
from gateway.environ import Environ, Scope, environ_of, has_body
from gateway.incoming import Incoming, NotRead, Receive, read_whole
from gateway.quickly import Quickly, is_quick

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Send = Callable[[MutableMapping[str, object]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JOINED = 1 << 20  # an answer up to here is sent in one piece, and its thread is free at once
PIECE = 256 << 10
STALLED = 30.0  # seconds in which a reader must take one piece

log = structlog.get_logger()
_T = TypeVar("_T")


@dataclass(slots=True)
class _Started:
    """What a WSGI application said before its body."""

    status: int = 500
    headers: Headers = field(default_factory=list)

    def __call__(self, status: str, headers: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        self.status = int(status[:3])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return lambda _data: None


@dataclass(frozen=True, slots=True)
class _Answer:
    """`rest` is empty if `first` is all."""

    started: _Started
    first: bytes
    rest: Iterator[bytes] | None
    close: Callable[[], None]


@dataclass(slots=True)
class Bridge:
    """An ASGI application around a WSGI one. `stop` is called when the server stops."""

    application: WSGIApplication
    admit: Callable[[Environ], Admission]
    stop: Callable[[], None]
    threads: int
    quickly: Quickly
    _places: Places = field(default_factory=Places)
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.threads, "web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or take part in start and stop."""
        if scope["type"] == "http":
            whole = await self._at_once(scope)
            if whole is None:
                await self._request(environ_of(scope), receive, send)
            else:
                await self._send_whole(whole, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _at_once(self, scope: Scope) -> Whole | None:
        """What needs no application is answered here, by the loop itself if nothing makes it wait."""
        if not is_quick(scope):
            return None
        if self.quickly.local:
            with suppress(MustWait):
                whole = self.quickly.at_hand(scope)
                if whole is not None or not self.quickly.may_find(scope):
                    return whole
        return await self._in_thread(partial(self.quickly.find, scope))

    async def _send_whole(self, whole: Whole, send: Send) -> None:
        await send({"type": "http.response.start", "status": whole.status, "headers": whole.headers})
        body: dict[str, object] = {"type": "http.response.body", "body": whole.body}
        if len(whole.body) <= JOINED:
            await send(body)
            return
        try:
            async with asyncio.timeout(STALLED):
                await send(body)
        except TimeoutError:
            log.warning("somebody asked for an answer and did not take it")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._in_thread(self.stop)
        await send({"type": "lifespan.shutdown.complete"})

    async def _request(self, environ: Environ, receive: Receive, send: Send) -> None:
        admission = await self._in_thread(partial(self.admit, dict(environ))) if has_body(environ) else None
        if admission is None or not admission.allowance.size:
            await self._answer(environ, send)
            return
        try:
            with self._places.one(admission):
                environ["wsgi.input"] = await self._body(environ, admission, receive)
                if admission.allowance.streams:
                    await self._answer(environ, send)
                    return
        except NotRead as error:
            environ[REFUSED] = error.status
        except TooMany:
            environ[REFUSED] = HTTPStatus.TOO_MANY_REQUESTS
        await self._answer(environ, send)

    async def _body(self, environ: Environ, admission: Admission, receive: Receive) -> BinaryIO:
        allowance = admission.allowance
        if int(str(environ.get("CONTENT_LENGTH") or 0)) > allowance.size:
            raise NotRead(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if allowance.streams:
            return cast("BinaryIO", Incoming(receive, allowance, asyncio.get_running_loop()))
        return BytesIO(await read_whole(receive, allowance))

    async def _answer(self, environ: Environ, send: Send) -> None:
        answer = await self._in_thread(partial(self._work, environ))
        started = answer.started
        if REFUSED in environ:
            started.headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": started.status, "headers": started.headers})
        if answer.rest is None:
            await send({"type": "http.response.body", "body": answer.first})
            return
        try:
            await self._stream(answer, send)
        except TimeoutError:
            log.warning("somebody asked for an answer and did not take it")
        finally:
            await self._in_thread(answer.close)

    async def _stream(self, answer: _Answer, send: Send) -> None:
        piece, rest = answer.first, cast("Iterator[bytes]", answer.rest)
        while piece:
            async with asyncio.timeout(STALLED):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await self._in_thread(partial(_take, rest, PIECE))
        await send({"type": "http.response.body", "body": b""})

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _work(self, environ: Environ) -> _Answer:
        started = _Started()
        chunks = self.application(environ, started)
        close = getattr(chunks, "close", lambda: None)
        pieces = iter(chunks)
        first = _take(pieces, JOINED)
        if len(first) < JOINED:
            close()
            return _Answer(started, first, None, close)
        return _Answer(started, first, pieces, close)


def _take(pieces: Iterator[bytes], enough: int) -> bytes:
    """The next pieces together, at least `enough` bytes unless they end."""
    taken, size = [], 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size >= enough:
            break
    return taken[0] if len(taken) == 1 else b"".join(taken)
