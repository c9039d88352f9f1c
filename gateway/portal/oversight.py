"""Oversight: what needs a person, and whether every part is alive."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.dml import ReturningUpdate

from gateway.health import QUIET_WORKER
from gateway.portal.case_lines import CaseLine, case_lines
from gateway.portal.part_words import part_in_words
from gateway.portal.reports import DeliveryView, delivery_view
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from gateway.portal.words import STATES, Label, counted
from gateway.site_words import REFUSALS
from worklist.access import Viewer
from worklist.concerned import Concerned, concerned_by
from worklist.cut_off import Cut, open_cuts
from worklist.history import shared_reason
from worklist.lacking import Lacking, lacking
from worklist.models import AuditLine, Delivery, Pulse, Report, Site, Study, TurnedAway, now
from worklist.states import CaseState, DeliveryState, TroubleKind
from worklist.tally import tallies
from worklist.turned_away import Caller, turned_away
from worklist.unattended import Alike, attend, unattended
from worklist.unfetched import Unfetched, unfetched

MOST = 100  # rows of one list; more than that is one problem, not a hundred
AT_FIRST = 5  # rows of a list of troubles that are open to the eye; the rest is folded
LATELY = timedelta(days=1)
KINDS = {
    "refused": "Refused at the door",
    "quarantined": "Kept aside",
    "unreadable": "Not readable here",
    "damaged": "Damaged here",
    "altered": "Altered in the archive",
}


@dataclass(frozen=True, slots=True)
class TroubleView:
    """Objects that did not become part of a study, for one reason. `title` says how many, whose, and why.

    `about`: what the newest of them was for.
    """

    alike: Alike
    kind: str
    title: str
    about: Concerned


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Refused objects that are only counted."""

    title: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CutView:
    """A transfer that was cut and not made good, and whose it was."""

    whose: str
    study: Study | None
    cut: Cut


@dataclass(frozen=True, slots=True)
class PartView:
    """One part of Overread, and how it is."""

    name: str
    state: Label
    at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class Oversight:
    """Everything that waits for a person."""

    unread: list[CaseLine]
    unassigned: list[CaseLine]
    on_hold: list[CaseLine]
    late: list[CaseLine]
    troubles: list[TroubleView]
    altered: list[TroubleView]
    unlisted: list[Unlisted]
    deliveries: list[DeliveryView]
    unpublished: Sequence[Report]
    parts: list[PartView]
    turned_away: Sequence[Caller]
    lacking: list[Lacking]
    unfetched: list[Unfetched]
    cuts: list[CutView]

    @property
    def objects(self) -> int:
        """How many objects are in no study."""
        return sum(each.alike.count for each in self.troubles)

    @property
    def waiting(self) -> int:
        """How many things wait."""
        cases = len(self.unread) + len(self.unassigned) + len(self.on_hold) + len(self.late)
        objects = len(self.troubles) + len(self.altered) + len(self.cuts)
        return cases + objects + len(self.deliveries) + len(self.unpublished) + len(self.unfetched)


def read_oversight(session: Session, who: Viewer, patience: timedelta) -> Oversight:
    """What needs a person now; `patience` is the longest wait for images of which we know."""
    lines = case_lines(session, who, (CaseState.READY, CaseState.CLAIMED, CaseState.ON_HOLD))
    unassigned = [line for line in lines if line.unassigned and line.case.state is CaseState.READY]
    on_hold = [line for line in lines if line.case.state is CaseState.ON_HOLD]
    troubles = _troubles(session)
    unread = [line for line in lines if line.unread and not line.unassigned]
    return Oversight(
        unread=unread,
        unassigned=unassigned,
        on_hold=on_hold,
        late=[line for line in lines if line.due.warning == "Overdue" and line not in unread + unassigned + on_hold],
        troubles=[one for one in troubles if one.alike.newest.kind != TroubleKind.ALTERED],
        altered=[one for one in troubles if one.alike.newest.kind == TroubleKind.ALTERED],
        unlisted=unlisted(session),
        deliveries=_deliveries(session),
        unpublished=session.scalars(select(Report).where(Report.published_at.is_(None), Report.last_error != "")).all(),
        turned_away=turned_away(session, TurnedAway.last_at > now() - LATELY, most=MOST),
        lacking=lacking(session, patience),
        unfetched=unfetched(session),
        cuts=_cuts(session),
        parts=[_part(pulse) for pulse in session.scalars(select(Pulse).order_by(Pulse.part))],
    )


def _troubles(session: Session) -> list[TroubleView]:
    sites = {f"site:{site.id}": site.name or site.code for site in session.scalars(select(Site))}
    found = unattended(session)
    about = concerned_by(session, [(one.newest.origin, one.newest.study_uid) for one in found])
    return [
        _trouble(one, origin_in_words(one.newest.origin, sites), about[one.newest.origin, one.newest.study_uid])
        for one in found
    ]


def _cuts(session: Session) -> list[CutView]:
    sites = {f"site:{site.id}": site.name or site.code for site in session.scalars(select(Site))}
    return [
        CutView(origin_in_words(one.origin, sites), one.study, one.cut) for one in open_cuts(session, now() - LATELY)
    ]


def unlisted(session: Session, origins: Collection[str] | None = None) -> list[Unlisted]:
    """What is refused and only counted (of some origins)."""
    sites = {f"site:{site.id}": site.name or site.code for site in session.scalars(select(Site))}
    return [
        Unlisted(
            f"{counted(one.count, 'refusal')} of {origin_in_words(one.origin, sites)}: "
            f"{shared_reason(TroubleKind.REFUSED, one.reason)}",
            one.last_at,
        )
        for one in tallies(session, origins)
    ]


def _trouble(alike: Alike, origin: str, about: Concerned) -> TroubleView:
    kind = KINDS.get(alike.newest.kind, alike.newest.kind)
    whose = f" of {origin}" if origin else ""
    return TroubleView(alike, kind, f"{counted(alike.count, 'object')}{whose}: {alike.reason}", about)


def origin_in_words(origin: str, sites: dict[str, str]) -> str:
    """Whose an object is, as a coordinator knows them."""
    kind, _, number = origin.partition(":")
    return sites.get(origin) or (f"upload into case {number}" if kind == "case" else origin)


def _deliveries(session: Session) -> list[DeliveryView]:
    stuck = (Delivery.state == DeliveryState.NEEDS_PERSON) | (
        (Delivery.state == DeliveryState.PENDING) & (Delivery.last_error != "")
    )
    query = select(Delivery).where(stuck).order_by(Delivery.id).limit(MOST).options(selectinload(Delivery.report))
    return [delivery_view(each, each.report.case_id) for each in session.scalars(query)]


def _part(pulse: Pulse) -> PartView:
    silent = abs(now() - pulse.at) > QUIET_WORKER
    state = Label("Trouble", "attention") if not pulse.ok else Label("Works", "done")
    return PartView(
        part_in_words(pulse.part), Label("Silent", "attention") if silent else state, pulse.at, pulse.detail
    )


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/oversight`, and what a coordinator can do on it."""

    def render(template: str) -> str:
        with services.database.reading() as session:
            found = read_oversight(session, asking(), services.settings.studies.longest_wait)
            return flask.render_template(template, oversight=found, refusals=REFUSALS, at_first=AT_FIRST, states=STATES)

    @portal.get("/oversight")
    def oversight() -> ResponseReturnValue:
        return render("oversight.html")

    @portal.get("/oversight/rows")
    def oversight_rows() -> ResponseReturnValue:
        return render("oversight_rows.html")

    @portal.post("/oversight/troubles/<int:trouble_id>/seen")
    def trouble_seen(trouble_id: int) -> ResponseReturnValue:
        with services.database.writing() as session:
            if count := attend(session, asking(), trouble_id):
                flask.flash("Marked as seen." if count == 1 else f"{count:,} marked as seen.", "done")
        return flask.redirect(flask.url_for("portal.oversight"), 303)

    @portal.post("/oversight/deliveries/<int:delivery_id>/again")
    def delivery_again(delivery_id: int) -> ResponseReturnValue:
        again = (
            update(Delivery)
            .where(Delivery.id == delivery_id, Delivery.state != DeliveryState.PROVEN)
            .values(state=DeliveryState.PENDING, next_attempt_at=now())
        )
        return _done(services, again.returning(Delivery.destination), "deliver again", "It is tried again now.")


def _done(services: PortalServices, change: ReturningUpdate[tuple[str]], action: str, said: str) -> ResponseReturnValue:
    """Make one change and write its audit line; somebody else may have been first, which is as good."""
    with services.database.writing() as session:
        changed = session.execute(change.execution_options(synchronize_session=False)).first()
        if changed is not None:
            session.add(AuditLine(person_id=asking().person_id, action=action, detail=changed[0]))
            flask.flash(said, "done")
    return flask.redirect(flask.url_for("portal.oversight"), 303)
