"""Answering C-FIND, one response for each match. Who finds them is handed in: a receiver has no database.

Each response has left before the next is made, so that a C-CANCEL is read between them, and a slow reader holds up
itself alone.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from typing import Final, cast

import structlog
from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.events import Event

from scp.counters import Count
from scp.peers import Right
from scp.queries import (
    PENDING,
    PENDING_UNSUPPORTED,
    Ask,
    Outcome,
    QueryEnded,
    Question,
    as_identifier,
    read_question,
)
from scp.storing import Door

log = structlog.get_logger()

MOST_SECONDS: Final = 50.0
"""From a query to its last answer; an association that hears nothing for longer is idle."""
_LOOK_EVERY: Final = 0.0005

Response = tuple[int | Dataset, Dataset | None]


def on_c_find(event: Event, door: Door, ask: Ask) -> Iterator[Response]:
    """Answer one query; whatever goes wrong, its end says that this was not all."""
    door.counters.add(Count.QUERIES)
    try:
        question = _question(event, door)
        yield from _matches(event, question, ask)
    except QueryEnded as ended:
        calling, status = event.assoc.requestor.ae_title, f"{ended.outcome.status:04X}"
        log.warning("a query was not answered whole", peer=calling, status=status, why=str(ended))
        yield _end(ended), None


def _question(event: Event, door: Door) -> Question:
    calling = event.assoc.requestor.ae_title
    peer = door.book.find(calling)
    if peer is None or Right.QUERY not in peer.rights:
        raise QueryEnded(Outcome.NOT_AUTHORISED)
    asked = cast(C_FIND, event.request)
    identifier = (asked.Identifier or BytesIO()).getvalue()
    return read_question(peer.ae_title, event.assoc.requestor.address, identifier, event.context.transfer_syntax)


def _matches(event: Event, question: Question, ask: Ask) -> Iterator[Response]:
    until = time.monotonic() + MOST_SECONDS
    with closing(ask(question)) as matches:
        for match in matches:
            _let_out(event.assoc)
            if event.is_cancelled:
                raise QueryEnded(Outcome.CANCELLED)
            if time.monotonic() > until:
                raise QueryEnded(Outcome.TOO_LONG)
            if match is not None:
                yield (PENDING if match.supported else PENDING_UNSUPPORTED), as_identifier(match, question.level)


def _let_out(association: Association) -> None:
    """Wait until what was answered has left."""
    while association.dul.to_provider_queue.qsize() and association.is_established:
        time.sleep(_LOOK_EVERY)


def _end(ended: QueryEnded) -> Dataset:
    answer = Dataset()
    answer.Status = ended.outcome.status
    answer.ErrorComment = str(ended)
    return answer
