"""The worker process: everything that is carried on without anybody waiting for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from config.settings import Settings
from gateway.cases import settle_complete_studies
from gateway.completeness import Completeness
from gateway.delivery import Delivering
from gateway.due import Due
from gateway.expecting import Expecting
from gateway.ingest import Ingest, note_refusals
from gateway.loops import Loop, run_loops
from gateway.parts import Parts, build_parts
from gateway.publishing import Publishing
from gateway.readiness import mark_ready
from gateway.sites import write_peer_book
from scp.inbox import InboxTaken
from sr_reports.warm import warm_up
from worklist.models import Delivery, Report
from worklist.states import DeliveryState, ReportState

AT_ONCE = 4  # destinations that are served at the same time: a mute one holds up nobody else


def serve_worker(settings: Settings, part: str) -> None:
    """Carry everything on until SIGTERM."""
    parts = build_parts(settings)
    warm_up()
    run_loops(parts.database, _loops(parts), mark_ready(parts.folders, part))


def _loops(parts: Parts) -> Sequence[Loop]:
    database, delivery = parts.database, parts.settings.delivery
    pauses = (delivery.first_pause, delivery.longest_pause)
    reports = Due(database, Report, ReportState.SIGNED, *pauses)
    deliveries = Due(database, Delivery, DeliveryState.PENDING, *pauses, one_for_each_peer=True)
    publishing = Publishing(database, parts.archive, parts.cache, reports)
    delivering = Delivering(database, parts.sender, deliveries)
    completeness = Completeness(database, parts.cache)
    expecting = Expecting(database, parts.sender, parts.settings.studies.quiet_seconds)
    return (
        Loop("ingest", _ingest(parts), 0.2),
        Loop("refusals", lambda: note_refusals(parts.inbox, database), 0.5),
        Loop("settle", lambda: settle_complete_studies(parts), 0.3),
        Loop("expect", expecting.step, 0.5),
        Loop("look", completeness.step, 0.5),
        Loop("publish", publishing.step, 0.2),
        Loop("deliver", delivering.step, 0.2),
        *(Loop(f"deliver {number}", delivering.step, 0.2) for number in range(2, AT_ONCE + 1)),
        Loop("peers", lambda: write_peer_book(database, parts.folders.peers), 1.0),
    )


def _ingest(parts: Parts) -> Callable[[], bool]:
    """One worker at a time empties an inbox; another waits for its lock and takes over when it dies."""
    ingest = Ingest(
        parts.inbox,
        parts.archive,
        parts.cache,
        parts.database,
        parts.folders.quarantine,
        parts.settings.archive.connections,
    )

    def step() -> bool:
        try:
            with parts.inbox.lock():
                return ingest.step()
        except InboxTaken:
            return False

    return step
