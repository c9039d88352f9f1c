"""Opening an association with a peer, and saying in two kinds of error why there is none."""

import contextlib
import queue
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from ssl import SSLCertVerificationError, SSLContext, SSLError

from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from scp.answers import keep_for_who_asks
from scp.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from scp.transport import ClosingSocket

_MAX_PDU = 131_072
_REJECTED_PERMANENT = 1


class Failure(StrEnum):
    """Why a call came to nothing, as far as whoever must mend it has something different to do."""

    NOT_FOUND = auto()
    UNREACHABLE = auto()
    NOTHING_LISTENS = auto()
    TIMEOUT = auto()
    TLS = auto()
    CERTIFICATE = auto()
    OWN_CERTIFICATE = auto()
    NOT_DICOM = auto()
    CALLING = auto()
    CALLED = auto()
    BUSY = auto()
    NOT_OFFERED = auto()
    LOGIN = auto()
    NOT_DICOMWEB = auto()
    OTHER = auto()


_REJECTIONS: dict[tuple[int, int], tuple[str, Failure]] = {
    (1, 2): ("does not support the application context", Failure.OTHER),
    (1, 3): ("does not know our AE title {calling}", Failure.CALLING),
    (1, 7): ("is not called {called}", Failure.CALLED),
    (2, 2): ("does not support our version of the protocol", Failure.OTHER),
    (3, 1): ("is too busy just now", Failure.BUSY),
    (3, 2): ("has reached its limit of associations", Failure.BUSY),
}

_FAILURES: dict[type[OSError], tuple[str, Failure]] = {
    ConnectionRefusedError: ("refuses the connection: nothing listens there", Failure.NOTHING_LISTENS),
    TimeoutError: ("does not answer in time", Failure.TIMEOUT),
    SSLError: ("does not speak TLS with us", Failure.TLS),
}


class _NotDone(Exception):  # noqa: N818 - its two kinds say what the peer did
    def __init__(self, words: str, failure: Failure = Failure.OTHER) -> None:
        super().__init__(words)
        self.failure = failure


class PeerUnavailable(_NotDone):
    """The peer cannot be reached or has no room just now: try again later."""


class PeerRefused(_NotDone):
    """The peer will go on refusing: a person must look at its or our settings, or at the object."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A peer; `calling_ae_title` is how we call ourselves to it, if not as usual; with `tls` the call is encrypted."""

    ae_title: str
    host: str
    port: int
    calling_ae_title: str = ""
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.ae_title}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a peer has: for the connection and for its negotiation, and for each answer after that."""

    opening: float
    answering: float


class _CallingSocket(ClosingSocket):
    """Remembers why it could not be connected, which pynetdicom only logs."""

    failure: OSError | None = None

    def _shutdown_socket(self) -> None:
        error = sys.exception()  # of `connect`, which calls this in its `except`
        if isinstance(error, OSError):  # it is shut down again, without one, when the association ends
            self.failure = error
        super()._shutdown_socket()


class _Caller(AE):
    connection: _CallingSocket | None = None

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: tuple[SSLContext, str] | None
    ) -> ClosingSocket:
        connection = self.connection = _CallingSocket(assoc, address=address)
        connection.tls_args = tls_args
        return connection


@contextlib.contextmanager
def associated(
    endpoint: Endpoint,
    calling: str,
    patience: Patience,
    contexts: list[PresentationContext],
    roles: list[SCP_SCU_RoleSelectionNegotiation] | None = None,
    tls: SSLContext | None = None,
) -> Iterator[Association]:
    """Hold an established association, released at the end; raise PeerUnavailable or PeerRefused if there is none.

    `roles` are those that we propose to play where it is not the SCU's.
    """
    _config.LOG_HANDLER_LEVEL = "none"
    if endpoint.tls and tls is None:
        raise PeerRefused(
            f"{endpoint} is to be called by TLS, but dicom.tls has no certificate of ours.", Failure.OWN_CERTIFICATE
        )
    try:
        ae = _Caller(calling)
        ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.connection_timeout = ae.acse_timeout = patience.opening
        ae.dimse_timeout = ae.network_timeout = patience.answering
        association = ae.associate(
            endpoint.host,
            endpoint.port,
            contexts,
            endpoint.ae_title,
            _MAX_PDU,
            [*(roles or ())],
            tls_args=(tls, endpoint.host) if endpoint.tls and tls else None,
        )
    except OSError as error:
        raise PeerUnavailable(f"{endpoint.host} cannot be found: {error.strerror}", Failure.NOT_FOUND) from error
    except ValueError as error:
        raise PeerRefused(f"{endpoint} cannot be called: {error}") from error
    if not association.is_established:
        raise _not_connected(ae, endpoint) or _why_not(association, endpoint, calling)
    keep_for_who_asks(association)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def _not_connected(ae: _Caller, endpoint: Endpoint) -> PeerUnavailable | None:
    """Why there is no connection at all, in the words of whoever must mend it; None if there was one."""
    failure = ae.connection.failure if ae.connection else None
    if failure is None:
        return None
    if isinstance(failure, SSLCertVerificationError):
        words = f"{endpoint} shows a certificate that we do not trust: {failure.verify_message}."
        return PeerUnavailable(words, Failure.CERTIFICATE)
    unknown = (f"cannot be reached: {failure.strerror or failure}", Failure.UNREACHABLE)
    said, kind = next((known for error, known in _FAILURES.items() if isinstance(failure, error)), unknown)
    return PeerUnavailable(f"{endpoint} {said}.", kind)


def _why_not(association: Association, endpoint: Endpoint, calling: str) -> Exception:
    answer = association.acceptor.primitive or _unread_answer(association)
    if answer is None:
        return PeerUnavailable(
            f"{endpoint} is connected, but does not answer as a DICOM application.", Failure.NOT_DICOM
        )
    if not answer.result:
        return PeerRefused(f"{endpoint} takes none of what we offer.", Failure.NOT_OFFERED)
    unknown = ("rejects the association", Failure.OTHER)
    said, kind = _REJECTIONS.get((answer.result_source or 0, answer.diagnostic or 0), unknown)
    words = f"{endpoint} {said}.".format(calling=calling, called=endpoint.ae_title)
    return PeerRefused(words, kind) if answer.result == _REJECTED_PERMANENT else PeerUnavailable(words, kind)


def _unread_answer(association: Association) -> A_ASSOCIATE | None:
    """Read the answer of a peer that hung up at once: pynetdicom takes that for never having been connected."""
    with contextlib.suppress(queue.Empty):
        while True:
            answer = association.dul.to_user_queue.get(block=False)
            if isinstance(answer, A_ASSOCIATE):
                return answer
    return None
