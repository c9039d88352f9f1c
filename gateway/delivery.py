"""A report goes to each destination until that provably has it; the case is DELIVERED when all have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session, selectinload

from config.database import Database
from gateway.due import Due
from gateway.site_removal import STOPPED
from gateway.ways import Way, Ways
from scp.sender import PeerRefused, PeerUnavailable
from worklist import lifecycle
from worklist.models import AuditLine, Case, Delivery, Peer, Report, now
from worklist.states import CaseState, DeliveryState

log = structlog.get_logger()
SENT_KINDS = ("sr", "pdf-dicom")
BY_STATUS = "Accepted with status 0000 (this peer offers no query)"
BY_STATUS_WEB = "Named as stored in the answer (this peer offers no query)"


class NotProven(Exception):
    """The destination took the report, but does not show it yet: try again."""


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What goes where: `peer` is None for the portal, where the report already is."""

    delivery_id: int
    case_id: int
    peer: Peer | None
    failed_before: bool
    study_uid: str
    uids: tuple[str, ...]
    files: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Delivering:
    """Takes deliveries that are due, one at a time; any number of workers may share the work."""

    database: Database
    ways: Ways
    due: Due

    def step(self) -> bool:
        """Deliver to one destination; False if none is due."""
        delivery_id = self.due.claim()
        if delivery_id is None:
            return False
        with self.due.held(delivery_id):
            self._deliver(self._pack(delivery_id))
        return True

    def _deliver(self, parcel: _Parcel) -> None:
        delivery_id = parcel.delivery_id
        try:
            proof = self._send(parcel)
        except (PeerUnavailable, NotProven) as error:
            log.warning("delivery put off", delivery=delivery_id, case=parcel.case_id, error=str(error))
            self.due.put_off(delivery_id, str(error))
            if isinstance(error, PeerUnavailable):
                self.due.put_off_others(delivery_id)
        except PeerRefused as error:
            log.warning("delivery needs a person", delivery=delivery_id, case=parcel.case_id, error=str(error))
            self.due.put_off(delivery_id, str(error), DeliveryState.NEEDS_PERSON)
        else:
            with self.database.writing() as session:
                _prove(session, parcel, proof)

    def _pack(self, delivery_id: int) -> _Parcel:
        with self.database.reading() as session:
            delivery = session.get_one(Delivery, delivery_id, options=[selectinload(Delivery.peer)])
            report = delivery.report
            files = {file.kind: file.content for file in report.files}
            return _Parcel(
                delivery.id,
                report.case_id,
                delivery.peer,
                _failed_before(session, delivery),
                report.study.study_uid,
                (report.sr_uid, report.pdf_uid),
                tuple(files[kind] for kind in SENT_KINDS),
            )

    def _send(self, parcel: _Parcel) -> str:
        if parcel.peer is None:
            return "Ready in the portal"
        if not parcel.peer.receives_reports:
            raise PeerRefused(STOPPED)
        way = (self.ways.hurried() if parcel.failed_before else self.ways).to(parcel.peer)
        way.send(parcel.files)
        if parcel.peer.proof == "status":
            return BY_STATUS_WEB if parcel.peer.base_url else BY_STATUS
        if not self._found(self.ways.to(parcel.peer), parcel):
            raise NotProven("The peer accepted the report, but a query does not find it yet.")
        return "Found by a query for the report's UIDs"

    def _found(self, way: Way, parcel: _Parcel) -> bool:
        try:
            return way.has_instances(parcel.study_uid, parcel.uids)
        except PeerRefused as error:
            raise PeerRefused(
                f"The peer accepted the report, but not our query for it ({str(error).rstrip('.')}). "
                "If it offers no query, let its status be the proof."
            ) from error


def _failed_before(session: Session, delivery: Delivery) -> bool:
    """Whether something that still waits for this peer could not be delivered to it last time."""
    return (
        session.scalar(
            select(
                exists().where(
                    Delivery.peer_id == delivery.peer_id,
                    Delivery.state == DeliveryState.PENDING,
                    Delivery.last_error != "",
                )
            )
        )
        is True
    )


def _prove(session: Session, parcel: _Parcel, proof: str) -> None:
    values = {"state": DeliveryState.PROVEN, "proof": proof, "proven_at": now(), "lease_until": None, "last_error": ""}
    case = session.get_one(Case, parcel.case_id, with_for_update=True)  # who proves the last one sees all the others
    session.execute(update(Delivery).where(Delivery.id == parcel.delivery_id).values(**values))
    session.add(AuditLine(actor="delivery", action="deliver to", case_id=parcel.case_id, detail=proof))
    if case.state is CaseState.SIGNED and _all_proven(session, parcel.case_id):
        lifecycle.deliver(session, case)


def _all_proven(session: Session, case_id: int) -> bool:
    states: Sequence[DeliveryState] = session.scalars(
        select(Delivery.state).join(Report).where(Report.case_id == case_id)
    ).all()
    return bool(states) and all(state is DeliveryState.PROVEN for state in states)
