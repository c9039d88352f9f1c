"""Answering N-ACTION for storage commitment: Success means that the transaction is on our disk.

The judgement is the worker's. While the peer keeps its association open, the report goes out on it, in the thread that
answers the peer and between two messages of it; else the worker opens one of its own (PS3.4 section J.3.3 allows both).
"""

import time
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from typing import Final, cast

import structlog
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.dimse_primitives import N_ACTION, N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.events import Event

from scp.commitment import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    REQUEST_COMMITMENT,
    CommitmentRequest,
    Judgement,
    Refused,
    RequestRefused,
    read_request,
)
from scp.peers import Peer
from scp.storing import Door
from scp.syntaxes import EXPLICIT_BIG, IMPLICIT_LITTLE
from scp.transactions import Transactions
from scp.waking import between_messages

log = structlog.get_logger()

_SUCCESS: Final = 0x0000
_LOOK_EVERY: Final = 0.3
_EVENT_REPORT_RESPONSE: Final = 0x8100  # Command Field, PS3.7 section E.1
_NUMBERS = count()


class Watch:
    """One transaction whose peer may still be there when it has been judged."""

    def __init__(self, event: Event, key: str, request: CommitmentRequest, transactions: Transactions) -> None:
        self._association = event.assoc
        self._context_id = event.context.context_id
        self._transfer_syntax: str = event.context.transfer_syntax
        self._key, self._request, self._transactions = key, request, transactions
        self._number = next(_NUMBERS) % 0xFFFF + 1
        self._look_at = 0.0

    def look(self) -> bool:
        """Report if it has been judged; True when there is nothing more to look for."""
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + _LOOK_EVERY
        judgement = self._transactions.judgement(self._key, self._request)
        if judgement is None:
            return False
        self._association.bind(evt.EVT_DIMSE_RECV, self._on_message)
        self._association.dimse.send_msg(self._report(judgement), self._context_id)
        return True

    def _report(self, judgement: Judgement) -> N_EVENT_REPORT:
        syntax = self._transfer_syntax
        said = encode(judgement.as_dataset(), syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG)
        report = N_EVENT_REPORT()
        report.MessageID = self._number
        report.AffectedSOPClassUID, report.AffectedSOPInstanceUID = UID(COMMITMENT), UID(COMMITMENT_INSTANCE)
        report.EventTypeID = judgement.event_type
        report.EventInformation = BytesIO(said or b"")
        return report

    def _on_message(self, event: Event) -> None:
        """Note the peer's answer to our report; every other message is somebody else's."""
        said = event.message.command_set
        answers = said.get("CommandField") == _EVENT_REPORT_RESPONSE
        if not answers or said.get("MessageIDBeingRespondedTo") != self._number:
            return
        if said.get("Status") != _SUCCESS:
            log.warning("a peer did not take a storage commitment report", status=said.get("Status"))
            return
        try:
            self._transactions.report(self._key)
        except OSError:
            log.exception("could not note that a report was taken; it will be repeated", key=self._key)


def on_n_action(event: Event, door: Door, transactions: Transactions) -> tuple[int | Dataset, None]:
    """Answer one N-ACTION; whatever goes wrong, the peer is told that nothing was promised."""
    calling = event.assoc.requestor.ae_title
    with door.working(event.assoc):
        try:
            request = _request(door.book.find(calling), event)
            key = transactions.ask(request)
        except RequestRefused as error:
            log.warning("refused a storage commitment request", peer=calling, status=f"{error.why:04X}", why=str(error))
            return _failure(error), None
        except OSError:
            log.exception("could not keep a storage commitment request", peer=calling)
            return _failure(RequestRefused(Refused.RESOURCE_LIMITATION)), None
        between_messages(event.assoc, Watch(event, key, request, transactions).look)
        return _SUCCESS, None


def _request(peer: Peer | None, event: Event) -> CommitmentRequest:
    if peer is None:
        raise RequestRefused(Refused.NOT_AUTHORISED)
    asked = cast(N_ACTION, event.request)
    _check_addressed(asked, event.context.abstract_syntax)
    information = (asked.ActionInformation or BytesIO()).getvalue()
    uid, references = read_request(information, event.context.transfer_syntax)
    return CommitmentRequest(peer.origin, peer.ae_title, uid, references, datetime.now(UTC))


def _check_addressed(asked: N_ACTION, abstract_syntax: str) -> None:
    ours = asked.RequestedSOPInstanceUID == COMMITMENT_INSTANCE
    if {asked.RequestedSOPClassUID, abstract_syntax} != {COMMITMENT}:
        raise RequestRefused(Refused.CLASS_INSTANCE_CONFLICT if ours else Refused.NO_SUCH_CLASS)
    if not ours:
        raise RequestRefused(Refused.NO_SUCH_INSTANCE)
    if asked.ActionTypeID != REQUEST_COMMITMENT:
        raise RequestRefused(Refused.NO_SUCH_ACTION)


def _failure(refused: RequestRefused) -> Dataset:
    answer = Dataset()
    answer.Status = int(refused.why)
    answer.ErrorComment = str(refused)
    return answer
