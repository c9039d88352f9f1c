"""The three kinds of process: receiver, web application, worker. `overread serve` runs one in the foreground."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from config.settings import Settings
from gateway import worker
from gateway.cases import settle_quiet_studies
from gateway.delivery import Delivering
from gateway.due import Due
from gateway.ingest import Ingest, note_refusals
from gateway.installation import Folders
from gateway.parts import Parts, build_parts
from gateway.publishing import Publishing
from gateway.sites import write_peer_book
from gateway.worker import Loop
from scp.inbox import Inbox, InboxTaken
from scp.peers import PeerBook
from scp.server import ReceiverSettings, serve
from sr_reports.pdf import warm_up
from worklist.models import Delivery, Report
from worklist.states import DeliveryState, ReportState


def mark_ready(folders: Folders, part: str) -> Callable[..., object]:
    """A callable that tells the supervisor that this part does its work: a file with our process id."""
    file = ready_file(folders, part)
    return lambda *_: file.write_text(str(os.getpid()))


def ready_file(folders: Folders, part: str) -> Path:
    """Where a part says that it is ready."""
    return folders.run_folder / f"{part}.ready"


def serve_dicom(settings: Settings, part: str) -> None:
    """Receive until SIGTERM. Needs neither database nor archive."""
    folders = Folders(settings.data)
    how = ReceiverSettings(
        counters=folders.counters,
        ae_title=settings.dicom.ae_title,
        host=settings.dicom.host,
        port=settings.dicom.port,
        process=part,
        max_associations=settings.dicom.max_associations,
    )
    serve(how, PeerBook(folders.peers), Inbox(folders.inbox), mark_ready(folders, part))


def serve_worker(settings: Settings, part: str) -> None:
    """Carry everything on until SIGTERM."""
    parts = build_parts(settings)
    warm_up()
    worker.run_worker(parts.database, _loops(parts), mark_ready(parts.folders, part))


def _loops(parts: Parts) -> Sequence[Loop]:
    database, delivery = parts.database, parts.settings.delivery
    reports = Due(database, Report, ReportState.SIGNED, delivery.first_pause, delivery.longest_pause)
    deliveries = Due(database, Delivery, DeliveryState.PENDING, delivery.first_pause, delivery.longest_pause)
    publishing = Publishing(database, parts.archive, parts.cache, reports)
    delivering = Delivering(database, parts.sender, deliveries)
    return (
        Loop("ingest", _ingest(parts), 0.2),
        Loop("refusals", lambda: note_refusals(parts.inbox, database), 0.5),
        Loop("settle", lambda: settle_quiet_studies(parts), 0.3),
        Loop("publish", publishing.step, 0.2),
        Loop("deliver", delivering.step, 0.2),
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
