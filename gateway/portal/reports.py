"""A signed report and its ways to its destinations, in plain words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.content import content_of
from gateway.portal.words import DELIVERIES, Label, counted
from sr_reports.sections import basis
from worklist.added import images_version
from worklist.images import WAITING
from worklist.models import Case, Delivery, Report, now
from worklist.states import CaseState, DeliveryState


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One destination: what is so, what went wrong last, when it is tried again, and what proves that it arrived."""

    id: int
    destination: str
    state: Label
    attempts: str
    error: str
    next_at: datetime | None
    proof: str
    proven_at: datetime | None
    case_id: int
    site_id: int | None


@dataclass(frozen=True, slots=True)
class ReportView:
    """One signed version. `making` says what is being waited for while it cannot be downloaded yet."""

    version: int
    signed_at: datetime
    signed_by: str
    basis: str
    ready: bool
    making: str
    error: str
    next_at: datetime | None
    deliveries: tuple[DeliveryView, ...]


def report_views(case: Case) -> tuple[ReportView, ...]:
    """The versions of the case's report, the newest first."""
    return tuple(_report_view(report) for report in reversed(case.reports))


def moving(case: Case) -> bool:
    """Whether the page about this case's report will change by itself."""
    return case.state is CaseState.SIGNED


def standing(case: Case, said: Iterable[str]) -> str:
    """Everything of a case that changes by itself, as one word: a page that shows another one loads anew.

    `said`: the notices that stand on it. While images are still being handed in their number does not count: it would
    interrupt the upload.
    """
    if case.state in WAITING:
        return str(case.state)
    told = [str(case.state), str(images_version(case)), *said]
    for report in case.reports:
        told += [str(report.published_at), report.last_error]
        told += [f"{each.id} {each.state} {each.attempts} {each.last_error}" for each in report.deliveries]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _report_view(report: Report) -> ReportView:
    ready = report.published_at is not None
    return ReportView(
        version=report.version,
        signed_at=report.signed_at,
        signed_by=report.signer.display_name,
        basis=basis(content_of(report)),
        ready=ready,
        making="" if ready else "The documents are being made and put into the archive.",
        error="" if ready else report.last_error,
        next_at=None if ready else _ahead(report.next_attempt_at),
        deliveries=tuple(delivery_view(each, report.case_id) for each in report.deliveries),
    )


def delivery_view(delivery: Delivery, case_id: int) -> DeliveryView:
    """One delivery in words."""
    waiting = delivery.state is DeliveryState.PENDING
    retried = waiting and bool(delivery.last_error)
    return DeliveryView(
        id=delivery.id,
        destination=delivery.destination,
        state=Label("Not delivered yet", "attention") if retried else DELIVERIES[delivery.state],
        attempts=counted(delivery.attempts, "attempt") if delivery.attempts else "",
        error="" if delivery.state is DeliveryState.PROVEN else delivery.last_error,
        next_at=_ahead(delivery.next_attempt_at) if retried else None,
        proof=delivery.proof,
        proven_at=delivery.proven_at,
        case_id=case_id,
        site_id=delivery.peer.site_id if delivery.peer else None,
    )


def _ahead(at: datetime | None) -> datetime | None:
    """A moment that is still to come; an attempt that is due now has none."""
    return at if at is not None and at > now() else None
