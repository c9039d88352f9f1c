"""Rows for what the archive has, and for what is kept aside.

One transaction for a batch. Values that the database will not take never stop the others: then each is written alone,
and the one that fails alone is kept aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import structlog
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from config.database import Database
from gateway.headers import series_text, study_text
from gateway.identity import OTHER_CONTENT, self_test_part
from gateway.taken import Archived, Rejected
from gateway.troubles import note_quarantine
from scp.arrival import FETCHED
from worklist.images import InstanceFacts, Recording, SignedUpon, lock_studies, record_all, replace, wanted_read
from worklist.models import Pulse, now

log = structlog.get_logger()

OF_THE_DATA = (DataError, IntegrityError, UnicodeError, OverflowError)
"""What a driver says of values that do not fit; the last two are Python's own, of a driver that never asked."""

DOES_NOT_FIT = "The archive has it, but its values do not fit into our tables; tell those who maintain Overread."


def write_rows(
    database: Database, archived: Sequence[Archived], rejected: Sequence[Rejected]
) -> tuple[Sequence[Archived], Sequence[Rejected]]:
    """Write rows; return what has them now, and what must be kept aside."""
    try:
        outcomes = _write(database, archived, rejected)
    except OF_THE_DATA as error:
        log.warning("a batch is written one by one", error=type(error).__name__)
        outcomes = [_alone(database, one) for one in archived]
        _write(database, (), rejected)
    written = [one for one in outcomes if isinstance(one, Archived)]
    return written, (*rejected, *(one for one in outcomes if isinstance(one, Rejected)))


def _alone(database: Database, one: Archived) -> Archived | Rejected:
    try:
        return _write(database, [one], ())[0]
    except OF_THE_DATA as error:
        log.warning("values do not fit", sop_uid=one.facts.arrival.sop_uid, error=type(error).__name__)
        odd = Rejected(one.facts.entry, DOES_NOT_FIT, one.facts.header, sha256=one.facts.sha256)
        _write(database, (), [odd])
        return odd


def _write(database: Database, archived: Sequence[Archived], rejected: Sequence[Rejected]) -> list[Archived | Rejected]:
    """Write both in one transaction; what became of each of the archived."""
    with database.writing() as session:
        for one in archived:
            if one.facts.self_test:
                _note_self_test(session, one.facts.arrival.sop_uid)
        if rejected or any(one.replaces for one in archived):
            _lock_in_order(session, archived, rejected)
        outcomes: list[Archived | Rejected] = []
        for replaces, alike in groupby(archived, lambda one: one.replaces):  # in the order of arrival
            some = list(alike)
            outcomes += [_replaced(session, one) for one in some] if replaces else _recorded(session, some)
        aside = (*rejected, *(one for one in outcomes if isinstance(one, Rejected)))
        note_quarantine(session, aside)
        _let_be_read(session, aside)
    return outcomes


def _lock_in_order(session: Session, archived: Sequence[Archived], rejected: Sequence[Rejected]) -> None:
    """What is kept aside, or replaces something, is written about after the rest, whatever its study."""
    aside = [one.entry.arrival for one in rejected if one.reason == OTHER_CONTENT]
    every = (*(one.facts.arrival for one in archived if not one.facts.self_test), *aside)
    lock_studies(session, [(one.origin, one.study_uid) for one in every])


def _let_be_read(session: Session, aside: Sequence[Rejected]) -> None:
    """What a site sends is to be read, though the version that we fetched from its archive was here first."""
    sent = [one.entry.arrival for one in aside if one.reason == OTHER_CONTENT]
    last = {
        (one.origin, one.study_uid): one.received_at
        for one in sorted(sent, key=lambda one: one.received_at)
        if not (one.fetched or one.made_by)
    }
    for (origin, study_uid), at in sorted(last.items()):
        wanted_read(session, origin, study_uid, at)


def _recorded(session: Session, some: Sequence[Archived]) -> list[Archived | Rejected]:
    """Write down what replaces nothing; other content that was faster keeps its place."""
    recordings = {one.facts.entry.key: _recording(one) for one in some if not one.facts.self_test}
    left_out = {id(one) for one in record_all(session, list(recordings.values()))}
    displaced = {key for key, one in recordings.items() if id(one) in left_out}
    return [
        Rejected(one.facts.entry, OTHER_CONTENT, one.facts.header, sha256=one.facts.sha256)
        if one.facts.entry.key in displaced
        else one
        for one in some
    ]


def _replaced(session: Session, one: Archived) -> Archived | Rejected:
    """Let it replace what a coordinator saw beside it, unless somebody has signed upon that since."""
    try:
        replace(session, _recording(one))
    except SignedUpon as error:
        return Rejected(one.facts.entry, str(error), one.facts.header, sha256=one.facts.sha256)
    return one


def _note_self_test(session: Session, sop_uid: str) -> None:
    session.merge(Pulse(part=self_test_part(sop_uid), at=now(), detail="received, archived, digest read back"))


def _recording(one: Archived) -> Recording:
    header, arrival = one.facts.header, one.facts.arrival
    made_by = int(arrival.made_by) if arrival.made_by else None
    said = (study_text(header), series_text(header), _facts(one))
    return Recording(arrival.origin, *said, made_by, fetched=arrival.fetched == FETCHED)


def _facts(one: Archived) -> InstanceFacts:
    arrival, header = one.facts.arrival, one.facts.header
    return InstanceFacts(
        sop_uid=arrival.sop_uid,
        sop_class_uid=arrival.sop_class_uid,
        transfer_syntax=arrival.transfer_syntax,
        number=header.instance_number,
        rows=header.rows,
        columns=header.columns,
        frames=header.frames,
        bits=header.bits,
        size=one.facts.entry.size,
        sha256=one.facts.sha256,
        archive_id=one.archive_id,
        sender=arrival.sender,
        received_at=arrival.received_at,
    )
