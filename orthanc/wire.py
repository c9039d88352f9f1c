"""The wire to Orthanc: a fixed pool of kept-alive connections, and what its answers mean in our words."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

import orjson
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout, connection_from_url, make_headers
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util import parse_url

from orthanc.errors import (
    AlteredInArchive,
    ArchiveConflict,
    ArchiveError,
    ArchiveRefused,
    ArchiveSilent,
    ArchiveUnavailable,
    GoneFromDisk,
    NotInArchive,
)
from orthanc.exchange import Answer, CutShort, NotPlain, exchange, head_of

OK: Final = 200
CHUNK: Final = 256 * 1024
CONNECT_SECONDS: Final = 5.0
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

# What Orthanc means by a status. What is not here is "try again": a full disk is 500, a wrong password 401.
REFUSALS: dict[int, type[ArchiveRefused]] = {
    400: ArchiveRefused,
    404: NotInArchive,
    405: ArchiveRefused,
    406: ArchiveRefused,
    409: ArchiveConflict,
    410: NotInArchive,
    413: ArchiveRefused,
    415: ArchiveRefused,
    422: ArchiveRefused,
}

WRONG_FILES: Final[Mapping[int | None, type[ArchiveUnavailable]]] = {
    7: GoneFromDisk,
    20: AlteredInArchive,
    2006: GoneFromDisk,
}
"""Orthanc's own codes for a file that its index names: the disk has it not, or, from 1.13 on, has something else
(`Orthanc --errors`)."""


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent: `size` bytes, in pieces that are made while they go out, so that no whole is ever in memory."""

    size: int
    pieces: Callable[[], Iterable[bytes]]

    @classmethod
    def of(cls, whole: bytes) -> Body:
        """A body that is in memory already."""
        return cls(len(whole), lambda: (whole,))


class Wire:
    """Requests to one server; at most `connections` at the same time, others wait their turn. Safe for threads."""

    def __init__(self, url: str, username: str, password: str, connections: int, timeout: float) -> None:
        told = parse_url(url)
        self._path = (told.path or "").rstrip("/")
        self._timeout = timeout
        self._headers = make_headers(basic_auth=f"{username}:{password}") | {"Accept": "*/*"}
        self._host = {"Host": told.netloc or ""}
        self._is_plain = True
        self._pool: HTTPConnectionPool = connection_from_url(
            url,
            maxsize=connections,
            block=True,
            timeout=Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout),
            retries=False,
        )

    def close(self) -> None:
        """Let all connections go."""
        self._pool.close()

    def read(self, method: str, path: str, body: Body | None = None) -> bytes:
        """Send one request; return the whole body of its success."""
        if not self._is_plain:
            return self._read_at_length(method, path, body)
        try:
            answer = self._asked(method, path, body)
        except NotPlain:  # somebody stands between us and Orthanc; whatever we ask for may be done twice
            self._is_plain = False
            return self._read_at_length(method, path, body)
        except CutShort as error:
            raise ArchiveUnavailable("The archive stopped in the middle of an answer.") from error
        except (HTTPError, OSError) as error:
            raise ArchiveSilent(f"The archive does not answer ({type(error).__name__}).") from error
        if answer.status == OK:
            return answer.body
        raise _as_error(answer.status, answer.body)

    def _asked(self, method: str, path: str, body: Body | None) -> Answer:
        try:
            return self._exchange(method, path, body)
        except ConnectionError:  # as in `_open`
            return self._exchange(method, path, body)

    def _exchange(self, method: str, path: str, body: Body | None) -> Answer:
        """Ask over a connection of the pool, by hand."""
        head = head_of(method, self._path + path, self._headers | self._host | _about(body))
        connection, keeps = cast(HTTPConnection, self._pool._get_conn(math.ceil(self._timeout))), False
        try:
            answer = exchange(self._open_socket(connection), head, () if body is None else body.pieces())
            keeps = not answer.is_last
            return answer
        finally:
            if not keeps:
                connection.close()
            self._pool._put_conn(connection)

    def _open_socket(self, connection: HTTPConnection) -> socket.socket:
        if connection.is_closed:
            connection.timeout = min(CONNECT_SECONDS, self._timeout)
            connection.connect()
        connection.sock.settimeout(self._timeout)
        return connection.sock

    def _read_at_length(self, method: str, path: str, body: Body | None) -> bytes:
        """As `read`, by the library."""
        response = self._open(method, path, body)
        try:
            return response.read()
        except (HTTPError, OSError) as error:
            raise ArchiveUnavailable(
                f"The archive stopped in the middle of an answer ({type(error).__name__})."
            ) from error
        finally:
            response.release_conn()

    def delete(self, path: str, tagged: str = "") -> None:
        """Remove what is there; `tagged` answers with the revision that Orthanc asks for before it removes a part."""
        more: dict[str, str] = {}
        if tagged:
            asked = self._open("GET", tagged)
            asked.drain_conn()
            asked.release_conn()
            more = {"If-Match": asked.headers.get("ETag", "")}
        done = self._open("DELETE", path, more=more)
        done.drain_conn()
        done.release_conn()

    def stream(self, path: str, patience: float | None = None) -> Iterator[bytes]:
        """Yield the body in pieces; `patience`: seconds of silence, if fewer than usual.

        What is already known to be wrong is raised before the first piece.
        """
        return _pieces(self._open("GET", path, patience=patience))

    def _open(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        more: Mapping[str, str] = NOTHING,
        patience: float | None = None,
    ) -> BaseHTTPResponse:
        """Send one request with `more` headers; return the response, its body not read yet, if it is a success."""
        timeout = min(self._timeout, patience or self._timeout)
        try:
            try:
                response = self._send(method, path, body, more, timeout)
            except ProtocolError:
                # Orthanc lets go of a kept connection after half a second: perhaps just when we used it again. Whatever
                # we ask for may be done twice.
                response = self._send(method, path, body, more, timeout)
            if response.status == OK:
                return response
            said = response.read(4096)
            response.drain_conn()
            response.release_conn()
        except (HTTPError, OSError) as error:
            raise ArchiveSilent(f"The archive does not answer ({type(error).__name__}).") from error
        raise _as_error(response.status, said)

    def _send(
        self, method: str, path: str, body: Body | None, more: Mapping[str, str], timeout: float
    ) -> BaseHTTPResponse:
        return self._pool.urlopen(
            method,
            self._path + path,
            body=None if body is None else body.pieces(),
            headers=self._headers | _about(body) | dict(more),
            redirect=False,
            preload_content=False,
            timeout=Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout),
            pool_timeout=math.ceil(timeout),
        )


def _about(body: Body | None) -> dict[str, str]:
    """The headers that tell what is sent."""
    return {} if body is None else {"Content-Type": "application/dicom", "Content-Length": str(body.size)}


def _pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(CHUNK)
    except (HTTPError, OSError) as error:
        raise ArchiveSilent(f"The archive stopped in the middle of a file ({type(error).__name__}).") from error
    finally:
        response.close()
        response.release_conn()


def _as_error(status: int, said: bytes) -> ArchiveError:
    """Translate a status; Orthanc's own words go along, for the person who decides."""
    try:
        told = orjson.loads(said)
        words, code = str(told.get("Message", "")), told.get("OrthancStatus")
    except (orjson.JSONDecodeError, AttributeError):
        words, code = "", None
    kind: type[ArchiveError] = REFUSALS.get(status, WRONG_FILES.get(code, ArchiveUnavailable))
    return kind(f"The archive answered {status}{': ' + words if words else ''}.")
