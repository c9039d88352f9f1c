"""Talking to a site's PACS as its client: is it there, take this, do you have it."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import count
from ssl import SSLContext
from typing import Final, Self

from pydicom import dcmread
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context, build_role

from scp.commitment import COMMITMENT, COMMITMENT_INSTANCE, Judgement
from scp.finding import Query, shows_all
from scp.part10 import split_part10
from scp.queries import STUDY_ROOT_FIND
from scp.requesting import IN_ALL, Endpoint, Failure, Offer, Patience, PeerRefused, PeerUnavailable, associated
from scp.screen import Identity, screen
from scp.statuses import Outcome, meaning_of
from scp.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE

__all__ = ["Endpoint", "Failure", "PeerRefused", "PeerUnavailable", "SendResult", "Sender"]

HURRIED: Final = 10.0  # seconds
_VERIFICATION: Final = "1.2.840.10008.1.1"
_CONVERTIBLE: Final = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one object: `status` is the peer's (None without an answer), `words` are for a person."""

    sop_uid: str
    outcome: Outcome
    status: int | None
    words: str


@dataclass(frozen=True, slots=True)
class _Parcel:
    part10: bytes
    transfer_syntax: str
    dataset: memoryview
    identity: Identity


@dataclass(frozen=True, slots=True)
class Sender:
    """Our side of associations that we open: our AE title, a peer's seconds for each answer, and our certificate.

    `opening` is for the connection and for the negotiation, `timeout` if None.
    """

    ae_title: str
    timeout: float = 30.0
    tls: SSLContext | None = None
    opening: float | None = None

    def hurried(self) -> Self:
        """The same, with little patience for a peer that may not be there: others wait meanwhile."""
        return replace(self, opening=min(self.timeout, HURRIED))

    def echo(self, endpoint: Endpoint) -> None:
        """Return if the peer answers a C-ECHO; raise PeerUnavailable or PeerRefused."""
        with self._associated(endpoint, [build_context(_VERIFICATION)]) as association:
            status = association.send_c_echo()
        if "Status" not in status:
            raise PeerUnavailable(f"{endpoint} does not answer a C-ECHO.", Failure.TIMEOUT)
        if status.Status:
            raise PeerRefused(f"{endpoint} answers a C-ECHO with status {status.Status:04X}.")

    def send(self, endpoint: Endpoint, part10s: Sequence[bytes]) -> list[SendResult]:
        """Store objects at a peer on one association, and return only if it says that it has stored every one.

        Bytes go as they are; where the peer wants another uncompressed transfer syntax, a re-encoded copy goes.
        Warnings count as stored. Raises PeerRefused if an object needs a person, else PeerUnavailable if one is
        to be sent again; sending what is stored already is harmless.
        """
        parcels = [_parcel(part10) for part10 in part10s]
        with self._associated(endpoint, _contexts_for(parcels)) as association:
            results = [
                _send_one(association, parcel, number) for parcel, number in zip(parcels, count(1), strict=False)
            ]
        _require_stored(endpoint, results)
        return results

    def has_instances(self, endpoint: Endpoint, study_uid: str, sop_uids: Sequence[str]) -> bool:
        """Tell whether the peer shows all these instances in that study, by C-FIND (Study Root, IMAGE level).

        Asks across the study first; a peer that wants the keys of every level (PS3.4 C.4.1.2.1) is asked series by
        series. Raises PeerUnavailable without an answer, PeerRefused if it offers no query.
        """
        with self._associated(endpoint, [build_context(STUDY_ROOT_FIND, [*_CONVERTIBLE])]) as association:
            return shows_all(Query(association, endpoint), study_uid, sop_uids)

    def takes_queries(self, endpoint: Endpoint) -> bool:
        """Whether the peer accepts C-FIND (Study Root) from us; nothing is asked.

        Raises PeerUnavailable, or PeerRefused where it refuses the whole association.
        """
        try:
            with self._associated(endpoint, [build_context(STUDY_ROOT_FIND, [*_CONVERTIBLE])]):
                return True
        except PeerRefused as error:
            if error.failure is Failure.NOT_OFFERED:
                return False
            raise

    def count_instances(self, endpoint: Endpoint, study_uid: str) -> int | None:
        """Ask how many instances of a study the peer has, by C-FIND (Study Root, STUDY level); None if it cannot say.

        Raises PeerUnavailable without an answer, PeerRefused if it offers no query.
        """
        with self._associated(endpoint, [build_context(STUDY_ROOT_FIND, [*_CONVERTIBLE])]) as association:
            return Query(association, endpoint).count_of(study_uid)

    def report_commitment(self, endpoint: Endpoint, judgement: Judgement) -> None:
        """Return if the peer takes the report of its transaction; raise PeerUnavailable or PeerRefused.

        We call, yet are the SCP (PS3.7 section D.3.3.4). A peer that does not negotiate roles is told all the same.
        """
        contexts = [build_context(COMMITMENT, [*_CONVERTIBLE])]
        roles = (build_role(COMMITMENT, scp_role=True),)
        with self._associated(endpoint, contexts, roles) as association:
            status, _ = association.send_n_event_report(
                judgement.as_dataset(), judgement.event_type, UID(COMMITMENT), UID(COMMITMENT_INSTANCE)
            )
        if "Status" not in status:
            raise PeerUnavailable(f"{endpoint} does not answer a storage commitment report.")
        if status.Status:
            raise PeerRefused(f"{endpoint} answers a storage commitment report with status {status.Status:04X}.")

    def _associated(
        self,
        endpoint: Endpoint,
        contexts: list[PresentationContext],
        roles: tuple[SCP_SCU_RoleSelectionNegotiation, ...] = (),
    ) -> contextlib.AbstractContextManager[Association]:
        opening = self.timeout if self.opening is None else self.opening
        patience = Patience(opening, self.timeout, IN_ALL * self.timeout)
        calling = endpoint.calling_ae_title or self.ae_title
        return associated(endpoint, calling, patience, Offer(contexts, roles), self.tls)


def _parcel(part10: bytes) -> _Parcel:
    transfer_syntax, dataset = split_part10(part10)
    return _Parcel(part10, transfer_syntax, dataset, screen(dataset, transfer_syntax))


def _contexts_for(parcels: Sequence[_Parcel]) -> list[PresentationContext]:
    """Offer each transfer syntax in a context of its own, so that the peer cannot choose another for us."""
    offers: dict[tuple[str, str], None] = {}
    for parcel in parcels:
        for transfer_syntax in _possible_syntaxes(parcel):
            offers[parcel.identity.sop_class_uid, transfer_syntax] = None
    return [build_context(*offer) for offer in offers]


def _possible_syntaxes(parcel: _Parcel) -> tuple[str, ...]:
    if parcel.transfer_syntax not in _CONVERTIBLE:
        return (parcel.transfer_syntax,)
    return (parcel.transfer_syntax, *(one for one in _CONVERTIBLE if one != parcel.transfer_syntax))


def _send_one(association: Association, parcel: _Parcel, number: int) -> SendResult:
    sop_uid = parcel.identity.sop_uid
    accepted = {(one.abstract_syntax, one.transfer_syntax[0]): one for one in association.accepted_contexts}
    possible = ((parcel.identity.sop_class_uid, syntax) for syntax in _possible_syntaxes(parcel))
    context = next((accepted[offer] for offer in possible if offer in accepted), None)
    if not association.is_established:
        return SendResult(sop_uid, Outcome.TRY_AGAIN, None, "the connection was lost before it was sent")
    if context is None:
        return SendResult(sop_uid, Outcome.ASK_A_PERSON, None, "the peer does not accept this kind of object")
    answer = _store(association, context, parcel, number)
    if answer is None or answer.Status is None:
        association.abort()
        return SendResult(sop_uid, Outcome.TRY_AGAIN, None, "the peer did not answer")
    meaning = meaning_of(answer.Status)
    said = str(answer.ErrorComment or "") if answer.Status else ""
    comment = f": {said}" if said else ""
    return SendResult(sop_uid, meaning.outcome, answer.Status, meaning.words + comment)


def _store(association: Association, context: PresentationContext, parcel: _Parcel, number: int) -> C_STORE | None:
    """Exchange one C-STORE. pynetdicom's own `send_c_store` decodes and encodes again, which changes bytes."""
    request = C_STORE()
    request.MessageID = number
    request.Priority = 2
    request.AffectedSOPClassUID = parcel.identity.sop_class_uid
    request.AffectedSOPInstanceUID = parcel.identity.sop_uid
    request.DataSet = BytesIO(_encoded(parcel, context.transfer_syntax[0]))
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.0001)
    try:
        association.dimse.send_msg(request, context.context_id or 0)
        _, answer = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()
    return answer if isinstance(answer, C_STORE) else None


def _encoded(parcel: _Parcel, transfer_syntax: str) -> bytes | memoryview:
    if transfer_syntax == parcel.transfer_syntax:
        return parcel.dataset
    encoded = encode(dcmread(BytesIO(parcel.part10)), transfer_syntax == IMPLICIT_LITTLE, is_little_endian=True)
    if encoded is None:
        raise ValueError(f"{parcel.identity.sop_uid} cannot be encoded in {transfer_syntax}")
    return encoded


def _require_stored(endpoint: Endpoint, results: Sequence[SendResult]) -> None:
    for outcome, error in ((Outcome.ASK_A_PERSON, PeerRefused), (Outcome.TRY_AGAIN, PeerUnavailable)):
        failed = [one for one in results if one.outcome is outcome]
        if failed:
            told = "; ".join(f"{one.sop_uid}: {one.words}{_shown(one.status)}" for one in failed)
            raise error(f"{endpoint} did not store {len(failed)} of {len(results)} objects: {told}")


def _shown(status: int | None) -> str:
    return "" if status is None else f" (status {status:04X})"
