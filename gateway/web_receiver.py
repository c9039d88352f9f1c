"""A hospital's archive reached by DICOMweb: is it there, take this (STOW-RS), do you have it (QIDO-RS).

It says what `scp.sender` says: PeerUnavailable is tried again, PeerRefused needs a person.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Final
from urllib.parse import urlsplit

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from urllib3.exceptions import NameResolutionError, NewConnectionError

from gateway.web_calls import Adapter, TooLong
from scp.fuse import Fuse
from scp.requesting import IN_ALL
from scp.sender import Failure, PeerRefused, PeerUnavailable
from scp.statuses import Outcome, meaning_of

NOBODYS_STUDY: Final = "2.25.0"
JSON: Final = "application/dicom+json"
_SOP_UID: Final = "00080018"
_FOR_A_WHILE: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
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


@dataclass(frozen=True, slots=True)
class WebReceiver:
    """`authorization` is the header's value ("" without credentials); `timeout` in seconds, for each answer.

    A whole call has IN_ALL times as long: what trickles holds nobody up.
    """

    base_url: str
    authorization: str = field(repr=False)
    timeout: float
    tls: SSLContext

    def __str__(self) -> str:
        return self.base_url

    def echo(self) -> None:
        """Return if it answers a search, for a study of nobody; raise PeerUnavailable or PeerRefused."""
        with self._calling() as client:
            client.search_for_studies(search_filters={"StudyInstanceUID": NOBODYS_STUDY}, limit=1)

    def send(self, part10s: Sequence[bytes]) -> None:
        """Store objects, and return only if the answer names every one as stored (PS3.18 table 10.5.3-3).

        Raises PeerRefused if an object needs a person, else PeerUnavailable if one is to be sent again.
        """
        datasets = [dcmread(BytesIO(each)) for each in part10s]
        with self._calling() as client:
            answer = client.store_instances(datasets)
        self._require_stored(answer, [str(each.SOPInstanceUID) for each in datasets])

    def has_instances(self, study_uid: str, sop_uids: Sequence[str]) -> bool:
        """Tell whether it shows all these instances in that study. Raises PeerUnavailable, PeerRefused."""
        with self._calling() as client:
            return all(_shows(client, study_uid, each) for each in sop_uids)

    @contextmanager
    def _calling(self) -> Iterator[DICOMwebClient]:
        with Fuse(IN_ALL * self.timeout) as fuse, self._session(fuse) as session:
            try:
                yield self._client(session)
            except requests.RequestException as error:
                self._require_time(fuse)
                raise self._why(error) from error
            except (ValueError, TypeError, KeyError, AttributeError) as error:  # of an answer that is something else
                self._require_time(fuse)
                raise PeerRefused(f"{self} does not answer as DICOMweb does.", Failure.NOT_DICOMWEB) from error
            self._require_time(fuse)

    def _session(self, fuse: Fuse) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # no .netrc: what it is told about us stands on the hospital's page
        session.max_redirects = 0  # a report goes nowhere but there
        for scheme in ("https://", "http://"):
            session.mount(scheme, Adapter(self.tls, fuse))
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

    def _require_stored(self, answer: Dataset, sop_uids: Sequence[str]) -> None:
        self._require_no_failure(answer)
        stored = {str(each.ReferencedSOPInstanceUID) for each in answer.get("ReferencedSOPSequence", [])}
        missing = [each for each in sop_uids if each not in stored]
        if missing:
            raise PeerUnavailable(f"{self} does not say that it stored {len(missing)} of {len(sop_uids)} objects.")

    def _require_no_failure(self, answer: Dataset) -> None:
        failed = [
            (str(item.ReferencedSOPInstanceUID), meaning_of(int(item.get("FailureReason", 0xFFFF))))
            for item in answer.get("FailedSOPSequence", [])
        ]
        for outcome, error in ((Outcome.ASK_A_PERSON, PeerRefused), (Outcome.TRY_AGAIN, PeerUnavailable)):
            if any(meaning.outcome is outcome for _, meaning in failed):
                told = "; ".join(f"{uid}: {meaning.words}" for uid, meaning in failed)
                raise error(f"{self} did not store {len(failed)} objects: {told}")

    def _why(self, error: requests.RequestException) -> PeerRefused | PeerUnavailable:
        if isinstance(error, requests.TooManyRedirects):
            return PeerRefused(f"{self} sends us on to another address.", Failure.NOT_DICOMWEB)
        if isinstance(error, TooLong):
            return PeerRefused(f"{self} answers with far more than was asked for.", Failure.NOT_DICOMWEB)
        if error.response is not None:
            return self._why_status(error.response)
        if isinstance(error, requests.exceptions.InvalidJSONError):
            return PeerRefused(f"{self} does not answer as DICOMweb does.", Failure.NOT_DICOMWEB)
        causes = _causes(error)
        unknown = ("broke the connection off", Failure.OTHER)
        rows = (said for kind, said in _FAILURES.items() if any(isinstance(each, kind) for each in causes))
        words, failure = next(rows, unknown)
        return PeerUnavailable(f"{self} {words}.", failure)

    def _why_status(self, response: requests.Response) -> PeerRefused | PeerUnavailable:
        status = response.status_code
        if status in _FOR_A_WHILE:
            return PeerUnavailable(f"{self} cannot do it just now (HTTP {status}).", Failure.BUSY)
        try:
            self._require_no_failure(_told(response))
        except (PeerRefused, PeerUnavailable) as error:
            return error
        words, failure = _STATUSES.get(status, ("does not do what we ask", Failure.OTHER))
        return PeerRefused(f"{self} {words} (HTTP {status}).", failure)


def _shows(client: DICOMwebClient, study_uid: str, sop_uid: str) -> bool:
    found = client.search_for_instances(study_uid, search_filters={"SOPInstanceUID": sop_uid})
    return any(sop_uid in each.get(_SOP_UID, {}).get("Value", []) for each in found)


def _told(response: requests.Response) -> Dataset:
    """What the body of a refusal says of each object; nothing where it is of another kind."""
    try:
        return Dataset.from_json(response.json())
    except (ValueError, TypeError, KeyError, AttributeError):
        return Dataset()


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
