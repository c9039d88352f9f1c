"""Opening an association with a peer, and saying in two kinds of error why there is none."""

import contextlib
import queue
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Final

from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from scp.answers import keep_for_who_asks
from scp.fuse import Fuse
from scp.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from scp.transport import ClosingSocket

_MAX_PDU = 131_072
_LARGEST_PDU = 2 * _MAX_PDU
_MOST_BYTES = 64 << 20
"""Of all answers on one association that are read into memory; objects that are fetched go another way."""
_REJECTED_PERMANENT = 1
IN_ALL: Final = 10
"""So many times the seconds for one answer are there for a whole call, however slowly it goes on."""


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
    NO_RETRIEVAL = auto()
    DESTINATION = auto()
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
    """How many seconds a peer has: for the connection and for its negotiation, for each answer after that, in all."""

    opening: float
    answering: float
    in_all: float = 300.0


class CallingSocket(ClosingSocket):
    """Remembers why it could not be connected, which pynetdicom only logs; reads no more than answers may be long."""

    failure: OSError | None = None
    _read = 0

    def recv(self, nr_bytes: int) -> bytearray:
        """As pynetdicom has it; OSError beyond a bound ends the association."""
        self._read += nr_bytes
        if nr_bytes > _LARGEST_PDU or self._read > _MOST_BYTES:
            raise OSError(f"an answer of {nr_bytes} more bytes is not read")
        return super().recv(nr_bytes)

    def _shutdown_socket(self) -> None:
        error = sys.exception()  # of `connect`, which calls this in its `except`
        if isinstance(error, OSError):  # it is shut down again, without one, when the association ends
            self.failure = error
        super()._shutdown_socket()


MakeSocket = Callable[[Association, AddressInformation], CallingSocket]


class _Caller(AE):
    connection: CallingSocket | None = None

    def __init__(self, calling: str, fuse: Fuse, make_socket: MakeSocket) -> None:
        super().__init__(calling)
        self._fuse, self._make_socket = fuse, make_socket

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: tuple[SSLContext, str] | None
    ) -> CallingSocket:
        connection = self.connection = self._make_socket(assoc, address)
        connection.tls_args = tls_args
        if connection.socket is not None:
            self._fuse.watch(connection.socket)
        return connection


def _calling_socket(assoc: Association, address: AddressInformation) -> CallingSocket:
    return CallingSocket(assoc, address=address)


@dataclass(frozen=True, slots=True)
class Offer:
    """What we propose: `roles` are those that we would play where it is not the SCU's.

    `make_socket` makes the connection, where what comes on it shall be read otherwise than by pynetdicom.
    """

    contexts: list[PresentationContext]
    roles: tuple[SCP_SCU_RoleSelectionNegotiation, ...] = ()
    make_socket: MakeSocket = _calling_socket


@contextlib.contextmanager
def associated(
    endpoint: Endpoint, calling: str, patience: Patience, offer: Offer, tls: SSLContext | None = None
) -> Iterator[Association]:
    """Hold an established association, released at the end; raise PeerUnavailable or PeerRefused if there is none.

    What is not done when the time in all is over
    breaks off as if the connection were lost, and PeerUnavailable says so.
    """
    _config.LOG_HANDLER_LEVEL = "none"
    if endpoint.tls and tls is None:
        raise PeerRefused(
            f"{endpoint} is to be called by TLS, but dicom.tls has no certificate of ours.", Failure.OWN_CERTIFICATE
        )
    with Fuse(patience.in_all) as fuse, _in_time(endpoint, fuse):
        ae = _Caller(calling, fuse, offer.make_socket)
        ae.connection_timeout = ae.acse_timeout = patience.opening
        ae.dimse_timeout = ae.network_timeout = patience.answering
        association = _associate(ae, endpoint, offer, tls)
        if not association.is_established:
            raise _not_connected(ae, endpoint) or _why_not(association, endpoint, calling)
        keep_for_who_asks(association)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()


@contextlib.contextmanager
def _in_time(endpoint: Endpoint, fuse: Fuse) -> Iterator[None]:
    """Say that the time in all was over, whatever came of that."""
    late = PeerUnavailable(f"{endpoint} did not finish within {fuse.seconds:g} seconds.", Failure.TIMEOUT)
    try:
        yield
    except (PeerUnavailable, PeerRefused) as error:
        raise (late if fuse.is_burnt else error) from error
    if fuse.is_burnt:
        raise late


def _associate(ae: _Caller, endpoint: Endpoint, offer: Offer, tls: SSLContext | None) -> Association:
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    called, secured = endpoint.ae_title, (tls, endpoint.host) if endpoint.tls and tls else None
    try:
        return ae.associate(
            endpoint.host, endpoint.port, offer.contexts, called, _MAX_PDU, [*offer.roles], tls_args=secured
        )
    except OSError as error:
        raise PeerUnavailable(f"{endpoint.host} cannot be found: {error.strerror}", Failure.NOT_FOUND) from error
    except ValueError as error:
        raise PeerRefused(f"{endpoint} cannot be called: {error}") from error


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
