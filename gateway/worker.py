"""The worker process: everything that is carried on without anybody waiting for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import structlog

from config.settings import Settings
from gateway.altered import look_again
from gateway.answering import answering
from gateway.baking import baking_of
from gateway.callers import callers_to_note
from gateway.carrying import GAP, carrying_of
from gateway.cases import settle_complete_studies, soon_complete
from gateway.clock import Clock
from gateway.commitments import Committing
from gateway.completeness import Completeness
from gateway.cut_off import cuts_to_note
from gateway.delivery import Delivering
from gateway.due import Due
from gateway.expecting import Expecting
from gateway.installation import Folders
from gateway.keeping import Keeping
from gateway.loops import Loop, at_once, never, numbered, run_loops
from gateway.parts import Parts, build_parts
from gateway.prior_loops import prior_loops
from gateway.publishing import Publishing
from gateway.quarantine import Quarantine
from gateway.readiness import mark_ready
from gateway.readying import Readying
from gateway.sites import write_peer_book
from gateway.supervisor import NICENESS, step_back
from gateway.troubles import note_refusals, tidying, unusable_entries
from gateway.watching import Bell, Watch
from sr_reports.warm import warm_up
from worklist.models import Delivery, Report
from worklist.states import DeliveryState, ReportState

log = structlog.get_logger()

ALONE, SHARED = 10.0, 1.0  # seconds: the longest rest of a loop that nobody wakes
TIDY_EVERY = 300.0
AT_ONCE = 4  # destinations that are served at the same time: a mute one holds up nobody else


def serve_worker(settings: Settings, part: str, *, migrating: bool) -> None:
    """Carry everything on until SIGTERM; `migrating` where no `up` has brought the tables up to date before."""
    step_back(NICENESS)
    parts = build_parts(settings)
    if migrating:
        _bring_up_to_date(parts)
    warm_up()
    loops, watch = _loops(parts), Watch(_watched(parts.folders), Bell(parts.folders.bell))
    with answering(parts.folders.queries, parts.database):
        ready, longest_rest = mark_ready(parts.folders, part), _longest_rest(parts.settings)
        unfinished = run_loops(parts.database, loops, watch, ready, longest_rest)
    watch.close()
    if unfinished:
        log.warning("stopped in the middle of a step, which is done again", loops=unfinished)
        os._exit(0)  # threads that wait for a peer would hold the process up


def _watched(folders: Folders) -> dict[str, Path]:
    """Where receivers put what the worker waits for."""
    return {
        "new": folders.inbox / "new",
        "refused": folders.inbox / "refused",
        "asked": folders.inbox / "commitments" / "asked",
        "reported": folders.inbox / "commitments" / "reported",
    }


def _longest_rest(settings: Settings) -> float:
    """Whoever writes rows on another machine rings no bell here; with SQLite there is no other machine."""
    return ALONE if settings.database_url.startswith("sqlite") else SHARED


def _bring_up_to_date(parts: Parts) -> None:
    from worklist import schema  # not loaded for the long run of a worker that `up` started

    schema.upgrade(parts.database)


def _loops(parts: Parts) -> Sequence[Loop]:
    database, delivery = parts.database, parts.settings.delivery
    own_title, own_host = parts.secrets.own_title, parts.settings.dicom.host
    pauses = (delivery.first_pause, delivery.longest_pause)
    reports = Due(database, Report, ReportState.SIGNED, *pauses)
    deliveries = Due(database, Delivery, DeliveryState.PENDING, *pauses, take_turns=True)
    publishing = Publishing(database, parts.archive, parts.cache, reports)
    keeping = Keeping(database, parts.archive, parts.settings.archive.grace_seconds)
    delivering = Delivering(database, parts.ways, deliveries)
    quarantine = Quarantine(database, parts.inbox, parts.cache, parts.decoder, parts.folders.quarantine)
    completeness = Completeness(database, parts.cache)
    expecting = Expecting(database, parts.sender, parts.settings.studies.quiet_seconds)
    carrying = carrying_of(parts)
    readying = Readying(database, parts.cache, parts.settings.cache.max_bytes, parts.baked)
    committing = Committing(parts.inbox, parts.archive, database, parts.sender, parts.settings)

    def studies_on_their_way() -> float:
        return 0.0 if soon_complete(database, parts.settings.studies) else never()

    return (
        Loop("ingest", carrying.step, GAP, frozenset({"new"}), carrying.soonest),
        Loop("refusals", lambda: note_refusals(parts.inbox, database), 0.5, frozenset({"refused"})),
        Loop("tidy", lambda: tidying(database), TIDY_EVERY, frozenset(), at_once),
        Loop("unusable", unusable_entries(parts.inbox, database), 2.0, soonest=at_once),
        Loop("quarantine", quarantine.carry, 1.0),
        Loop("settle", lambda: settle_complete_studies(parts), 0.3, soonest=studies_on_their_way),
        Loop("expect", expecting.step, 0.5, soonest=studies_on_their_way),
        Loop("look", completeness.step, 0.5),
        Loop("publish", publishing.step, 0.2, soonest=reports.soonest),
        Loop("keep", keeping.step, 5.0, soonest=at_once),
        *(
            Loop(numbered("deliver", number), delivering.step, 0.2, soonest=deliveries.soonest, takes_long=True)
            for number in range(1, AT_ONCE + 1)
        ),
        *prior_loops(parts),
        Loop("bake", baking_of(parts).step, 0.5),
        Loop("ready", readying.step, 5.0, frozenset(), at_once),
        Loop("altered", lambda: look_again(database, parts.cache), 60.0, frozenset(), at_once),
        Loop("commit", committing.step, 0.3, frozenset({"rows", "asked", "reported"}), committing.soonest),
        Loop("clock", Clock(database, delivery.longest_pause).step, 2.0, soonest=at_once),
        Loop("peers", lambda: write_peer_book(database, parts.folders.peers, own_title, own_host), 0.5),
        Loop("callers", callers_to_note(database, parts.folders.counters), 2.0, soonest=at_once),
        Loop("cuts", cuts_to_note(database, parts.folders.counters), 2.0, soonest=at_once),
    )
