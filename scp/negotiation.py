"""Who may open an association with us, and what we agree to take on it (PS3.8 section 9.3.4, PS3.7 Annex D.3)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Final, cast

import structlog
from pydicom.uid import UID
from pynetdicom.acse import ACSE
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE, SOPClassCommonExtendedNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import ServiceClass, StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from scp.bounded import BoundedSocket
from scp.callers import Callers, Heard
from scp.commitment import COMMITMENT, COMMITMENT_SYNTAXES
from scp.counters import Count, Counters
from scp.peers import Peer, PeerBook, Right
from scp.queries import QUERY_SYNTAXES, STUDY_ROOT_FIND
from scp.syntaxes import encoding_of

log = structlog.get_logger()

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_SERVICE = "1.2.840.10008.4.2"
_STANDARD_ROOT = "1.2.840.10008."
_STANDARD_STORAGE = "1.2.840.10008.5.1.4.1.1."
_RESULTS = {1: "not allowed", 2: "declined", 3: "service not offered", 4: "none of the transfer syntaxes is taken"}


APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_REMEMBERED: Final = 1024  # contexts, some kB each; a sender proposes 128 at most
USER_REJECTION = 1  # of a presentation context: we know the service, but this peer may not use it (PS3.8 table 9-18)


class Rejection(Enum):
    """Why an association is not opened: result, source and reason of A-ASSOCIATE-RJ (PS3.8 table 9-21), how it is
    counted, and in our log's words.

    A known name with a wrong address or certificate gets the stranger's answer: it learns nothing.
    """

    CONTEXT = (1, 1, 2, Count.REJECTED_CONTEXT, "application context not supported")
    CALLED = (1, 1, 7, Count.REJECTED_CALLED, "called AE title not recognized")
    CALLING = (1, 1, 3, Count.REJECTED_CALLING, "calling AE title not recognized")
    ADDRESS = (1, 1, 3, Count.REJECTED_CALLING, "known AE title from a foreign address")
    CERTIFICATE = (1, 1, 3, Count.REJECTED_CALLING, "known AE title without a certificate bound to it")
    FULL = (2, 3, 2, Count.REJECTED_FULL, "local limit exceeded")


@dataclass(frozen=True, slots=True)
class Request:
    """What an association request says, and what its connection shows (`certificate`: DER, None without TLS)."""

    calling: str
    called: str
    application_context: str
    address: str
    certificate: bytes | None

    @classmethod
    def of(cls, assoc: Association) -> "Request":
        """Read it from an association that was asked for; the names as they came, pynetdicom drops more than spaces."""
        asked = cast(A_ASSOCIATE, assoc.requestor.primitive)
        opening = cast(BoundedSocket, assoc.dul.socket).opening
        return cls(
            calling=_name(opening[26:42]),
            called=_name(opening[10:26]),
            application_context=str(asked.application_context_name or ""),
            address=assoc.requestor.address,
            certificate=_certificate(assoc),
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides over an association; the book is asked each time, so that a change counts at once."""

    ae_title: str
    max_associations: int
    book: PeerBook
    counters: Counters
    callers: Callers

    def judge(self, request: Request, others: int) -> Peer | Rejection:
        """Return the peer that may come in, or why the association must not be opened."""
        if request.application_context != APPLICATION_CONTEXT:
            return Rejection.CONTEXT
        if request.called != self.ae_title:
            return Rejection.CALLED
        peer = self.book.find(request.calling)
        if peer is None:
            return Rejection.CALLING
        return _what_is_wrong(peer, request) or (Rejection.FULL if others >= self.max_associations else peer)


def _what_is_wrong(peer: Peer, request: Request) -> Rejection | None:
    if not peer.calls_from(request.address):
        return Rejection.ADDRESS
    return None if peer.shows(request.certificate) else Rejection.CERTIFICATE


class _Decliner(ACSE):
    """Declines with "user rejection" what this peer has no right to; pynetdicom would call it an unknown service."""

    def __init__(self, assoc: Association, rights: frozenset[Right]) -> None:
        super().__init__(assoc)
        self._rights = rights

    def send_accept(self) -> None:
        """Answer the request."""
        for context in self._assoc._rejected_cx:
            right = right_for(cast(UID, context.abstract_syntax))
            if right is not None and right not in self._rights:
                context.result = USER_REJECTION
        super().send_accept()


def on_requested(event: Event, policy: Policy) -> None:
    """Reject a stranger; prepare the contexts for somebody we know."""
    assoc = event.assoc
    others = sum(one.is_established for one in assoc.ae.active_associations)
    request = Request.of(assoc)
    judged = policy.judge(request, others)
    if isinstance(judged, Rejection):
        turn_away(policy, assoc, judged)
        return
    policy.counters.add(Count.ASSOCIATIONS)
    offered = cast(A_ASSOCIATE, assoc.requestor.primitive).presentation_context_definition_list
    assoc.acceptor.supported_contexts = contexts_for(offered, judged.rights)
    assoc.acse = _Decliner(assoc, judged.rights)


def _name(field: bytes) -> str:
    """An AE title; spaces around it do not count, all else does (PS3.5 section 6.2)."""
    return field.decode("ascii", "replace").strip(" ")


def _certificate(assoc: Association) -> bytes | None:
    """The caller's certificate in DER, None on a plain connection."""
    shown = getattr(assoc, "tls_peer", None)  # of `scp.listening.BoundedAssociation`
    return shown.certificate if shown is not None else None


def on_accepted(event: Event, policy: Policy) -> None:
    """Remember when a peer was last here and what was agreed, for whoever asks why it does not work."""
    assoc = event.assoc
    policy.callers.heard(
        Heard(
            ae_title=assoc.requestor.ae_title.strip(),
            at=datetime.now(UTC),
            address=assoc.requestor.address,
            secure=_certificate(assoc) is not None,
            accepted=tuple(dict.fromkeys(map(in_words, assoc.accepted_contexts))),
            declined=tuple(dict.fromkeys(map(in_words, assoc.rejected_contexts))),
        )
    )


def turn_away(policy: Policy, assoc: Association, rejection: Rejection) -> None:
    """Take down that an association is not opened; answer with A-ASSOCIATE-RJ, and wait until that is out."""
    request = Request.of(assoc)
    policy.counters.add(rejection.value[3])
    policy.callers.turned_away(request.calling, request.called, request.address, rejection.name)
    log.warning(
        "association rejected",
        why=rejection.value[4],
        calling=request.calling,
        called=request.called,
        address=request.address,
    )
    assoc.acse.send_reject(*rejection.value[:3])
    assoc.kill()


def contexts_for(requested: list[PresentationContext], rights: frozenset[Right]) -> list[PresentationContext]:
    """Support what is asked for, as far as we take it and the peer has the right to it.

    Transfer syntaxes stay in the sender's order of preference.
    """
    syntaxes: dict[UID, dict[UID, None]] = {}
    for context in requested:
        abstract = cast(UID, context.abstract_syntax)
        if right_for(abstract) in rights:
            taken = [one for one in context.transfer_syntax if _is_taken(abstract, one)]
            syntaxes.setdefault(abstract, {}).update(dict.fromkeys(taken))
    return [_context(abstract, tuple(offered)) for abstract, offered in syntaxes.items()]


def right_for(abstract_syntax: str) -> Right | None:
    """The right that a service needs; None for a service that we do not offer."""
    if abstract_syntax == VERIFICATION:
        return Right.ECHO
    if abstract_syntax == COMMITMENT:
        return Right.COMMITMENT
    if abstract_syntax == STUDY_ROOT_FIND:
        return Right.QUERY
    return Right.STORE if is_storage(abstract_syntax) else None


def _is_taken(abstract_syntax: str, transfer_syntax: str) -> bool:
    if abstract_syntax == COMMITMENT:
        return transfer_syntax in COMMITMENT_SYNTAXES
    if abstract_syntax == STUDY_ROOT_FIND:
        return transfer_syntax in QUERY_SYNTAXES
    return encoding_of(transfer_syntax) is not None


def in_words(context: PresentationContext) -> str:
    """A negotiated context for a person: "CT Image Storage: JPEG 2000 Image Compression (Lossless Only)"."""
    result = _RESULTS.get(context.result or 0)
    agreed = result or ", ".join(one.name for one in context.transfer_syntax)
    return f"{cast(UID, context.abstract_syntax).name}: {agreed}"


def on_common_extended(event: Event) -> dict[UID, SOPClassCommonExtendedNegotiation]:
    """Tell pynetdicom that storage classes which it does not know (private, retired, new) are storage classes."""
    request = cast(A_ASSOCIATE, event.assoc.requestor.primitive)
    asked = {cast(UID, context.abstract_syntax) for context in request.presentation_context_definition_list}
    return {uid: _as_storage(uid) for uid in asked if uid_to_service_class(uid) is ServiceClass and is_storage(uid)}


def is_storage(sop_class_uid: str) -> bool:
    """Tell whether objects of this class may be stored here: standard storage, or of no service that we know."""
    service = uid_to_service_class(sop_class_uid)
    if service is StorageServiceClass:
        return True
    private = not sop_class_uid.startswith(_STANDARD_ROOT)
    return service is ServiceClass and (private or sop_class_uid.startswith(_STANDARD_STORAGE))


@lru_cache(_REMEMBERED)
def _context(abstract: UID, transfer_syntaxes: tuple[UID, ...]) -> PresentationContext:
    """What we support; it costs more to make than to negotiate, which only reads it, and senders ask for the same."""
    context = PresentationContext()
    context.abstract_syntax = abstract
    context.transfer_syntax = [*transfer_syntaxes]
    if abstract == COMMITMENT:  # whoever asks for a role is told that ours is the SCP's (PS3.7 section D.3.3.4)
        context.scu_role, context.scp_role = True, False
    return context


def _as_storage(uid: UID) -> SOPClassCommonExtendedNegotiation:
    item = SOPClassCommonExtendedNegotiation()
    item.sop_class_uid = uid
    item.service_class_uid = UID(STORAGE_SERVICE)
    return item
