"""Who may open an association with us, and what we agree to take on it (PS3.8 section 9.3.4, PS3.7 Annex D.3)."""

from dataclasses import dataclass
from enum import Enum
from typing import cast

import structlog
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE, SOPClassCommonExtendedNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import ServiceClass, StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from scp.commitment import COMMITMENT, COMMITMENT_SYNTAXES
from scp.counters import Count, Counters
from scp.peers import PeerBook
from scp.syntaxes import encoding_of

log = structlog.get_logger()

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_SERVICE = "1.2.840.10008.4.2"
_STANDARD_ROOT = "1.2.840.10008."
_STANDARD_STORAGE = "1.2.840.10008.5.1.4.1.1."


class Rejection(Enum):
    """Why an association is not opened: result, source and diagnostic of A-ASSOCIATE-RJ, and how it is counted."""

    CALLING = (1, 1, 3, Count.REJECTED_CALLING)
    CALLED = (1, 1, 7, Count.REJECTED_CALLED)
    FULL = (2, 3, 2, Count.REJECTED_FULL)


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides over an association; the book is asked each time, so that a change counts at once."""

    ae_title: str
    max_associations: int
    book: PeerBook
    counters: Counters

    def judge(self, called: str, calling: str, others: int) -> Rejection | None:
        """Tell why the association must not be opened, if so."""
        if called.strip() != self.ae_title:
            return Rejection.CALLED
        if self.book.find(calling) is None:
            return Rejection.CALLING
        return Rejection.FULL if others >= self.max_associations else None


def on_requested(event: Event, policy: Policy) -> None:
    """Reject a stranger; prepare the contexts for somebody we know."""
    assoc = event.assoc
    request = cast(A_ASSOCIATE, assoc.requestor.primitive)
    calling, called = request.calling_ae_title or "", request.called_ae_title or ""
    others = sum(one.is_established for one in assoc.ae.active_associations)
    rejection = policy.judge(called, calling, others)
    if rejection is not None:
        reject(assoc, rejection)
        policy.counters.add(rejection.value[3])
        log.warning("association rejected", why=rejection.name, calling=calling, called=called, address=_address(assoc))
        return
    policy.counters.add(Count.ASSOCIATIONS)
    assoc.acceptor.supported_contexts = contexts_for(request.presentation_context_definition_list)


def reject(assoc: Association, rejection: Rejection) -> None:
    """Answer with A-ASSOCIATE-RJ and wait until it is out."""
    result, source, diagnostic, _ = rejection.value
    assoc.acse.send_reject(result, source, diagnostic)
    assoc.kill()


def contexts_for(requested: list[PresentationContext]) -> list[PresentationContext]:
    """Support what is asked for, as far as we take it: transfer syntaxes in the sender's order of preference."""
    syntaxes: dict[UID, dict[UID, None]] = {}
    for context in requested:
        abstract = cast(UID, context.abstract_syntax)
        if abstract == COMMITMENT:  # of every known peer
            taken = [one for one in context.transfer_syntax if one in COMMITMENT_SYNTAXES]
            syntaxes.setdefault(abstract, {}).update(dict.fromkeys(taken))
        elif abstract == VERIFICATION or is_storage(abstract):
            taken = [one for one in context.transfer_syntax if encoding_of(one) is not None]
            syntaxes.setdefault(abstract, {}).update(dict.fromkeys(taken))
    return [_context(abstract, list(offered)) for abstract, offered in syntaxes.items()]


def on_common_extended(event: Event) -> dict[UID, SOPClassCommonExtendedNegotiation]:
    """Tell pynetdicom that storage classes which it does not know (private, retired, new) are storage classes."""
    request = cast(A_ASSOCIATE, event.assoc.requestor.primitive)
    asked = {cast(UID, context.abstract_syntax) for context in request.presentation_context_definition_list}
    return {uid: _as_storage(uid) for uid in asked if is_storage(uid)}


def is_storage(sop_class_uid: str) -> bool:
    """Tell whether objects of this class may be stored here: standard storage, or of no service that we know."""
    service = uid_to_service_class(sop_class_uid)
    if service is StorageServiceClass:
        return True
    private = not sop_class_uid.startswith(_STANDARD_ROOT)
    return service is ServiceClass and (private or sop_class_uid.startswith(_STANDARD_STORAGE))


def _context(abstract: UID, transfer_syntaxes: list[UID]) -> PresentationContext:
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


def _address(assoc: Association) -> str:
    return assoc.requestor.address
