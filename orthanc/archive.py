"""The archive: everything we say to Orthanc over HTTP.

Bytes go through a fixed pool of kept-alive connections; questions about the server itself go through its own client
library. Nothing that a client of ours chose ever reaches Orthanc but the bytes of an instance.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from orthanc_api_client import OrthancApiClient
from orthanc_api_client.api_client import SystemStatistics
from orthanc_api_client.exceptions import OrthancApiException
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout, connection_from_url, make_headers
from urllib3.exceptions import HTTPError

from orthanc.errors import ArchiveConflict, ArchiveError, ArchiveRefused, ArchiveUnavailable, NotInArchive

CHUNK: Final = 256 * 1024
CONNECT_SECONDS: Final = 5.0
_ARCHIVE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")

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


@dataclass(frozen=True, slots=True)
class ArchiveInfo:
    """Which Orthanc this is."""

    version: str
    plugins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the archive holds; `size` in bytes on its disk."""

    studies: int
    series: int
    instances: int
    size: int


class Archive:
    """One Orthanc. Safe for threads; at most `connections` requests travel at the same time, others wait their turn.

    Every method raises ArchiveUnavailable (try again) or ArchiveRefused (never again), and nothing else.
    """

    def __init__(self, url: str, username: str, password: str, *, connections: int = 8, timeout: float = 60.0) -> None:
        self._path = urlsplit(url).path.rstrip("/")
        self._timeout = timeout
        self._pool: HTTPConnectionPool = connection_from_url(
            url,
            maxsize=connections,
            block=True,
            timeout=Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout),
            retries=False,
            headers=make_headers(basic_auth=f"{username}:{password}") | {"Accept": "*/*"},
        )
        self._control = OrthancApiClient(url.rstrip("/") + "/", user=username, pwd=password, pool_maxsize=connections)

    def store(self, part10: bytes, md5: str) -> str:
        """Store one file; return its archive ID after reading back that the archive holds exactly these bytes.

        A file that is there already is a success, other content under its identifiers an ArchiveConflict.
        """
        answer = self._read("POST", "/instances", body=part10)
        archive_id = _stored_id(answer)
        held = self.md5(archive_id)
        if held != md5:
            raise ArchiveConflict(f"The archive holds other content as {archive_id}.")
        return archive_id

    def md5(self, archive_id: str) -> str:
        """Return the MD5 of the file as the archive keeps it."""
        checked = _checked(archive_id)
        try:
            return self._read("GET", f"/instances/{checked}/attachments/dicom/md5").decode("ascii", "replace")
        except NotInArchive:
            # An Orthanc that keeps no digests answers the same as one that has no such file.
            return hashlib.md5(self.fetch(checked), usedforsecurity=False).hexdigest()

    def verify(self, archive_id: str) -> bool:
        """Have the archive read the file from its disk again: does it still fit its digest?"""
        try:
            self._read("POST", f"/instances/{_checked(archive_id)}/attachments/dicom/verify-md5")
        except NotInArchive:
            raise
        except ArchiveRefused:
            return False
        return True

    def fetch(self, archive_id: str) -> bytes:
        """Return the whole file."""
        return self._read("GET", f"/instances/{_checked(archive_id)}/file")

    def stream(self, archive_id: str) -> Iterator[bytes]:
        """Yield the file in pieces. What is already known to be wrong is raised before the first piece."""
        response = self._send("GET", f"/instances/{_checked(archive_id)}/file")
        return _pieces(response)

    def delete(self, archive_id: str) -> None:
        """Remove one file; it is no error if it is gone already."""
        try:
            self._read("DELETE", f"/instances/{_checked(archive_id)}")
        except NotInArchive:
            return

    def version(self) -> str:
        """Return Orthanc's version; the cheapest sign of life."""
        system = self._json("/system")
        return str(system.get("Version", ""))

    def probe(self) -> ArchiveInfo:
        """Ask which Orthanc this is and which plugins it has loaded."""
        version = self.version()
        plugins = _translated(lambda: self._control.get_json("plugins", timeout=self._timeout))
        return ArchiveInfo(version, tuple(str(name) for name in plugins))

    def holdings(self) -> Holdings:
        """Ask how much the archive holds."""
        self.version()
        said = _translated(lambda: SystemStatistics(self._control.get_json("statistics", timeout=self._timeout)))
        return Holdings(said.studies_count, said.series_count, said.instances_count, said.total_disk_size)

    def close(self) -> None:
        """Let all connections go."""
        self._pool.close()
        self._control.close()

    def _json(self, path: str) -> dict[str, Any]:
        try:
            said = orjson.loads(self._read("GET", path))
        except orjson.JSONDecodeError as error:
            raise ArchiveUnavailable("What answers at the archive's address is not Orthanc.") from error
        if not isinstance(said, dict):
            raise ArchiveUnavailable("What answers at the archive's address is not Orthanc.")
        return said

    def _read(self, method: str, path: str, body: bytes | None = None) -> bytes:
        response = self._send(method, path, body)
        try:
            return response.read()
        except (HTTPError, OSError) as error:
            raise ArchiveUnavailable(
                f"The archive stopped in the middle of an answer ({type(error).__name__})."
            ) from error
        finally:
            response.release_conn()

    def _send(self, method: str, path: str, body: bytes | None = None) -> BaseHTTPResponse:
        """Send one request; return the response, its body not read yet, if it is a success."""
        try:
            response = self._pool.urlopen(
                method,
                self._path + path,
                body=body,
                headers=None if body is None else {**self._pool.headers, "Content-Type": "application/dicom"},
                redirect=False,
                preload_content=False,
                pool_timeout=math.ceil(self._timeout),
            )
            if response.status == 200:
                return response
            said = response.read(4096)
            response.drain_conn()
            response.release_conn()
        except (HTTPError, OSError) as error:
            raise ArchiveUnavailable(f"The archive does not answer ({type(error).__name__}).") from error
        raise _as_error(response.status, said)


def _pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(CHUNK)
    except (HTTPError, OSError) as error:
        raise ArchiveUnavailable(f"The archive stopped in the middle of a file ({type(error).__name__}).") from error
    finally:
        response.close()
        response.release_conn()


def _stored_id(answer: bytes) -> str:
    """Read the ID out of the answer to POST /instances; a 200 that names none stored nothing."""
    try:
        said = orjson.loads(answer)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or said.get("Status") not in {"Success", "AlreadyStored"}:
        raise ArchiveUnavailable("The archive said yes but named no stored instance.")
    return _checked(str(said.get("ID", "")))


def _checked(archive_id: str) -> str:
    """Let only what looks like an archive ID into a URL."""
    if not _ARCHIVE_ID.fullmatch(archive_id):
        raise NotInArchive("This is not the ID of anything in the archive.")
    return archive_id


def _as_error(status: int, said: bytes) -> ArchiveError:
    """Translate a status; Orthanc's own words go along, for the person who decides."""
    try:
        words = str(orjson.loads(said).get("Message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        words = ""
    kind = REFUSALS.get(status, ArchiveUnavailable)
    return kind(f"The archive answered {status}{': ' + words if words else ''}.")


def _translated(ask: Callable[[], Any]) -> Any:
    """Ask Orthanc's client library, its errors in our words; an answer cut short shows there as one of the last two."""
    try:
        return ask()
    except (OrthancApiException, ValueError, AttributeError) as error:
        raise ArchiveUnavailable(f"The archive does not answer ({type(error).__name__}).") from error
