"""Calls to a stranger's web server: under our own rules for TLS, within a time in all, and with answers of a bound."""

from __future__ import annotations

from collections.abc import Iterator
from ssl import SSLContext
from typing import Any, Final, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection

from scp.fuse import Fuse

LARGEST_ANSWER: Final = 32 << 20
"""Bytes of an answer that is read into memory: thousands of search results."""


class TooLong(requests.RequestException):
    """The answer is longer than any that makes sense."""


class Adapter(HTTPAdapter):
    """Connections that a fuse watches; of an answer no more than `most` bytes are read, as they are after decoding."""

    def __init__(self, tls: SSLContext, fuse: Fuse, most: int = LARGEST_ANSWER) -> None:
        self._tls, self._fuse, self._most = tls, fuse, most
        self._answers: list[BaseHTTPResponse] = []
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: object) -> None:
        """As `requests` has it, with our context and our connections."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._tls, **more)
        pools = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
        watched = {scheme: _watched(pool, self._fuse) for scheme, pool in pools.items()}
        self.poolmanager.pool_classes_by_scheme = watched

    def build_response(self, req: requests.PreparedRequest, resp: BaseHTTPResponse) -> requests.Response:
        """As `requests` has it, of an answer that ends."""
        whole = resp.stream

        def bounded(amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:
            size = 0
            for piece in whole(amt, decode_content):
                size += len(piece)
                if size > self._most:
                    raise TooLong
                yield piece

        self._answers = [*(each for each in self._answers if not each.closed), resp]
        resp.stream = bounded  # type: ignore[method-assign]
        return super().build_response(req, resp)

    def close(self) -> None:
        """As `requests` has it, and with the connections of answers that were not read to their end."""
        for each in self._answers:
            each.close()
        super().close()


def _watched(pool: type[HTTPConnectionPool], fuse: Fuse) -> type[HTTPConnectionPool]:
    """The same kind of pool, whose connections the fuse knows from their first byte on, TLS's handshake included."""
    kind = cast("type[HTTPConnection]", pool.ConnectionCls)

    class Connection(kind):  # type: ignore[valid-type,misc]
        def _new_conn(self) -> Any:
            made = super()._new_conn()
            fuse.watch(made)
            return made

    return type("Watched", (pool,), {"ConnectionCls": Connection})
