"""The worker process: everything that is carried on without anybody waiting for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from config.settings import Settings
from gateway.callers import note_callers
from gateway.cases import settle_complete_studies
from gateway.clock import Clock
from gateway.commitments import Committing
from gateway.completeness import Completeness
from gateway.delivery import Delivering
from gateway.due import Due
from gateway.expecting import Expecting
from gateway.grace import Grace
from gateway.ingest import Ingest
from gateway.keeping import Keeping
from gateway.loops import Loop, run_loops
from gateway.parts import Parts, build_parts
from gateway.publishing import Publishing
from gateway.quarantine import Quarantine
from gateway.readiness import mark_ready
from gateway.sites import write_peer_book
from gateway.supervisor import NICENESS
from gateway.troubles import note_refusals, unusable_entries
from orthanc.errors import ArchiveUnavailable
from scp.inbox import InboxTaken
from sr_reports.warm import warm_up
from worklist.models import Delivery, Report
from worklist.states import DeliveryState, ReportState

AT_ONCE = 4  # destinations that are served at the same time: a mute one holds up nobody else


def serve_worker(settings: Settings, part: str, *, migrating: bool) -> None:
    """Carry everything on until SIGTERM; `migrating` where no `up` has brought the tables up to date before."""
    os.nice(NICENESS)
    parts = build_parts(settings)
    if migrating:
        _bring_up_to_date(parts)
    warm_up()
    run_loops(parts.database, _loops(parts), mark_ready(parts.folders, part))


def _bring_up_to_date(parts: Parts) -> None:
    from worklist import schema  # not loaded for the long run of a worker that `up` started

    schema.upgrade(parts.database)


def _loops(parts: Parts) -> Sequence[Loop]:
    database, delivery = parts.database, parts.settings.delivery
    own_title, own_host = parts.secrets.own_title, parts.settings.dicom.host
    pauses = (delivery.first_pause, delivery.longest_pause)
    reports = Due(database, Report, ReportState.SIGNED, *pauses)
    deliveries = Due(database, Delivery, DeliveryState.PENDING, *pauses, one_for_each_peer=True)
    publishing = Publishing(database, parts.archive, parts.cache, reports)
    keeping = Keeping(database, parts.archive, parts.settings.archive.grace_seconds)
    delivering = Delivering(database, parts.sender, deliveries)
    quarantine = Quarantine(database, parts.inbox, parts.cache, parts.decoder, parts.folders.quarantine)
    completeness = Completeness(database, parts.cache)
    expecting = Expecting(database, parts.sender, parts.settings.studies.quiet_seconds)
    committing = Committing(parts.inbox, parts.archive, database, parts.sender, parts.settings)
    return (
        Loop("ingest", _ingest(parts), 0.2),
        Loop("refusals", lambda: note_refusals(parts.inbox, database), 0.5),
        Loop("unusable", unusable_entries(parts.inbox, database), 2.0),
        Loop("quarantine", quarantine.carry, 1.0),
        Loop("settle", lambda: settle_complete_studies(parts), 0.3),
        Loop("expect", expecting.step, 0.5),
        Loop("look", completeness.step, 0.5),
        Loop("publish", publishing.step, 0.2),
        Loop("keep", keeping.step, 5.0),
        Loop("deliver", delivering.step, 0.2),
        *(Loop(f"deliver {number}", delivering.step, 0.2) for number in range(2, AT_ONCE + 1)),
        Loop("commit", committing.step, 0.3),
        Loop("clock", Clock(database, delivery.longest_pause).step, 2.0),
        Loop("peers", lambda: write_peer_book(database, parts.folders.peers, own_title, own_host), 0.5),
        Loop("callers", lambda: note_callers(database, parts.folders.counters), 2.0),
    )


def _ingest(parts: Parts) -> Callable[[], bool]:
    """One worker at a time empties an inbox; another waits for its lock and takes over when it dies."""
    pool = ThreadPoolExecutor(parts.settings.archive.connections, thread_name_prefix="ingest")
    grace = Grace(parts.inbox, parts.archive, parts.database, pool, parts.settings.archive.grace_seconds)
    ingest = Ingest(parts.inbox, parts.archive, parts.cache, parts.database, parts.folders.quarantine, grace, pool)

    def step() -> bool:
        try:
            with parts.inbox.lock():
                more = ingest.step()
                return grace.step() or more
        except InboxTaken:
            return False
        except ArchiveUnavailable:
            grace.doubt()
            raise

    return step
