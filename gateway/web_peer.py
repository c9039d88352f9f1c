"""A hospital's DICOMweb, called by us: with its credentials, within a time and a size, and errors in two kinds.

PeerUnavailable is tried again, PeerRefused needs a person.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Final
from urllib.parse import urlsplit

import requests
from dicomweb_client.api import DICOMwebClient
from urllib3.exceptions import NameResolutionError, NewConnectionError

from gateway.web_calls import LARGEST_ANSWER, Adapter, TooLong
from scp.fuse import Fuse
from scp.requesting import IN_ALL
from scp.sender import Failure, PeerRefused, PeerUnavailable

NOBODYS_STUDY: Final = "2.25.0"
JSON: Final = "application/dicom+json"
Refusal = Callable[[requests.Response], PeerRefused | PeerUnavailable | None]
FOR_A_WHILE: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
_STATUSES: Mapping[int, tuple[str, Failure]] = {
    401: ("does not accept our credentials", Failure.LOGIN),
    403: ("does not let us do this", Failure.LOGIN),
    404: ("has no DICOMweb at this address", Failure.NOT_DICOMWEB),
    405: ("does not offer this service at this address", Failure.NOT_DICOMWEB),
    501: ("does not offer this service", Failure.NOT_DICOMWEB),
}
_FAILURES: Mapping[type[BaseException], tuple[str, Failure]] = {
    NameResolutionError: ("cannot be found", Failure.NOT_FOUND),
    ConnectionRefusedError: ("refuses the connection: nothing listens there", Failure.NOTHING_LISTENS),
    SSLCertVerificationError: ("shows a certificate that we do not trust", Failure.CERTIFICATE),
    SSLError: ("does not speak TLS with us", Failure.TLS),
    TimeoutError: ("does not answer in time", Failure.TIMEOUT),
    requests.Timeout: ("does not answer in time", Failure.TIMEOUT),
    NewConnectionError: ("cannot be reached", Failure.UNREACHABLE),
}
"""The first row that is among an error's causes counts."""
NONSENSE: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What comes of reading an answer that is something else, or is nested without end."""


def _unexplained(response: requests.Response) -> None:
    """The status says all."""


@dataclass(frozen=True, slots=True)
class WebPeer:
    """`authorization` is the header's value ("" without credentials); `timeout` in seconds, for each answer.

    A whole call has `in_all` seconds, if not IN_ALL times as long: what trickles holds nobody up.
    """

    base_url: str
    authorization: str = field(repr=False)
    timeout: float
    tls: SSLContext
    in_all: float | None = None

    def __str__(self) -> str:
        return self.base_url

    def echo(self) -> None:
        """Return if it answers a search, for a study of nobody; raise PeerUnavailable or PeerRefused."""
        with self.calling() as client:
            client.search_for_studies(search_filters={"StudyInstanceUID": NOBODYS_STUDY}, limit=1)

    @contextmanager
    def calling(self, refusal: Refusal = _unexplained, most: int = LARGEST_ANSWER) -> Iterator[DICOMwebClient]:
        """A client for one call, whose errors become PeerUnavailable or PeerRefused.

        `refusal` reads what the body of a refusal says; no answer is read that is longer than `most` bytes.
        """
        seconds = IN_ALL * self.timeout if self.in_all is None else self.in_all
        with Fuse(seconds) as fuse, self._session(fuse, most) as session:
            try:
                yield self._client(session)
            except (PeerRefused, PeerUnavailable):
                self._require_time(fuse)
                raise
            except requests.RequestException as error:
                self._require_time(fuse)
                raise self._why(error, refusal) from error
            except NONSENSE as error:
                self._require_time(fuse)
                raise PeerRefused(f"{self} does not answer as DICOMweb does.", Failure.NOT_DICOMWEB) from error
            self._require_time(fuse)

    def _session(self, fuse: Fuse, most: int) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # no .netrc: what it is told about us stands on the hospital's page
        session.max_redirects = 0  # a report goes nowhere but there
        for scheme in ("https://", "http://"):
            session.mount(scheme, Adapter(self.tls, fuse, most))
        session.headers.update({"Accept": JSON} | self._credentials())
        return session

    def _client(self, session: requests.Session) -> DICOMwebClient:
        logging.getLogger("retrying").setLevel(logging.ERROR)  # it would write each failure's traceback into the log
        client = DICOMwebClient(self.base_url, session=session, timeout=self.timeout, callback=_plain_type)
        client.set_http_retry_params(retry=False)  # the queue of deliveries does that
        client.host = urlsplit(self.base_url).netloc  # it would leave the port out of the Host header
        return client

    def _require_time(self, fuse: Fuse) -> None:
        if fuse.is_burnt:  # whatever its cut-off answer looked like
            raise PeerUnavailable(f"{self} did not finish its answer within {fuse.seconds:g} seconds.", Failure.TIMEOUT)

    def _credentials(self) -> dict[str, str]:
        return {"Authorization": self.authorization} if self.authorization else {}

    def _why(self, error: requests.RequestException, refusal: Refusal) -> PeerRefused | PeerUnavailable:
        if isinstance(error, requests.TooManyRedirects):
            return PeerRefused(f"{self} sends us on to another address.", Failure.NOT_DICOMWEB)
        if isinstance(error, TooLong):
            return PeerRefused(f"{self} answers with far more than was asked for.", Failure.NOT_DICOMWEB)
        if error.response is not None:
            return refusal(error.response) or self._why_status(error.response)
        if isinstance(error, requests.exceptions.InvalidJSONError):
            return PeerRefused(f"{self} does not answer as DICOMweb does.", Failure.NOT_DICOMWEB)
        causes = _causes(error)
        unknown = ("broke the connection off", Failure.OTHER)
        rows = (said for kind, said in _FAILURES.items() if any(isinstance(each, kind) for each in causes))
        words, failure = next(rows, unknown)
        return PeerUnavailable(f"{self} {words}.", failure)

    def _why_status(self, response: requests.Response) -> PeerRefused | PeerUnavailable:
        status = response.status_code
        if status in FOR_A_WHILE:
            return PeerUnavailable(f"{self} cannot do it just now (HTTP {status}).", Failure.BUSY)
        words, failure = _STATUSES.get(status, ("does not do what we ask", Failure.OTHER))
        return PeerRefused(f"{self} {words} (HTTP {status}).", failure)


def _plain_type(response: requests.Response, *_: object, **__: object) -> requests.Response:
    """Take parameters off the answer's type: the client knows "application/dicom+json; charset=utf-8" not."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not kind.startswith("multipart/"):
        response.headers["Content-Type"] = kind
    return response


def _causes(error: BaseException) -> list[BaseException]:
    """An error with those that it came of, however the libraries hand them on."""
    found: list[BaseException] = [error]
    for each in found:  # which grows
        behind = (getattr(each, "reason", None), each.__cause__, each.__context__, *each.args)
        found += [one for one in behind if isinstance(one, BaseException) and one not in found]
    return found
