"""The buttons that move a case: one table from the name in the address to what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from gateway.portal.words import STATES
from gateway.portal.worklist_page import read_worklist
from worklist import cases, lifecycle
from worklist.access import Viewer
from worklist.models import Case
from worklist.subspecialties import Subspecialty

LONGEST_REASON = 2000


class Missing(Exception):
    """The form lacks something; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Move:
    """What a button does, and what is said when it is done; `stays` is whether the person can still see the case."""

    act: Callable[[Session, Case, Viewer, PortalServices], None]
    done: str
    stays: bool = True


def _field(name: str, missing: str) -> str:
    text = flask.request.form.get(name, "").strip()
    if not text:
        raise Missing(missing)
    return text[:LONGEST_REASON]


def _plain(act: Callable[[Session, Case, Viewer], None]) -> Callable[[Session, Case, Viewer, PortalServices], None]:
    """An act that needs nothing from the rest of the gateway."""
    return lambda session, case, who, _: act(session, case, who)


def _submit(session: Session, case: Case, who: Viewer, services: PortalServices) -> None:
    cases.submit(session, case, who, services.on_their_way)


def _release(session: Session, case: Case, who: Viewer) -> None:
    lifecycle.release(session, case, who, _field("reason", "Say in a few words why you give the case back."))


def _hold(session: Session, case: Case, who: Viewer) -> None:
    lifecycle.hold(session, case, who, _field("reason", "Say what is missing, so that somebody can see to it."))


def _cancel(session: Session, case: Case, who: Viewer) -> None:
    lifecycle.cancel(session, case, who, _field("reason", "Say why the case is cancelled."))


def _assign(session: Session, case: Case, who: Viewer) -> None:
    subspecialty = _field("subspecialty", "Choose a subspecialty.")
    if subspecialty not in set(Subspecialty):
        raise Missing("Choose a subspecialty from the list.")
    why = flask.request.form.get("why", "").strip()[:LONGEST_REASON] or "A coordinator decided."
    lifecycle.assign(session, case, who, subspecialty, why)


MOVES: Mapping[str, Move] = {
    "claim": Move(_plain(lifecycle.claim), "The case is yours."),
    "release": Move(
        _plain(_release), "The case is back on the worklist. What you wrote is kept as its draft.", stays=False
    ),
    "hold": Move(_plain(_hold), "The case is on hold. Coordinator and requester see why."),
    "resume": Move(_plain(lifecycle.resume), "You can go on."),
    "submit": Move(_submit, "Your request is on its way to us."),
    "withdraw": Move(_plain(lifecycle.withdraw), "Your request is withdrawn. Nobody will read it."),
    "cancel": Move(_plain(_cancel), "The case is cancelled."),
    "assign": Move(_plain(_assign), "The case is assigned."),
}


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`POST /cases/<id>/<move>`."""

    @portal.post(f"/cases/<int:case_id>/<any({', '.join(MOVES)}):name>")
    def move(case_id: int, name: str) -> ResponseReturnValue:
        chosen = MOVES[name]
        try:
            with services.database.writing() as session:
                chosen.act(session, cases.get(session, asking(), case_id), asking(), services)
        except (Missing, lifecycle.NoImages) as error:
            flask.flash(str(error), "problem")
            return flask.redirect(flask.url_for("portal.case", case_id=case_id), 303)
        except (lifecycle.WrongState, lifecycle.NotFound):
            if name != "claim":
                raise
            return _taken(services, asking(), case_id)
        flask.flash(chosen.done, "done")
        where = flask.url_for("portal.case", case_id=case_id) if chosen.stays else flask.url_for("portal.home")
        return flask.redirect(where, 303)


def _taken(services: PortalServices, who: Viewer, case_id: int) -> ResponseReturnValue:
    """Say who was first. A reader may know that much of a case of their own subspecialties, and of no other."""
    with services.database.reading() as session:
        case = cases.get_to_claim(session, who, case_id)
        reader = case.reader.display_name if case.reader else ""
        state = STATES[case.state].text.lower()
    said = f"{reader} was first: case {case_id} is theirs now." if reader else f"Case {case_id} is {state} now."
    flask.flash(said, "problem")
    return flask.render_template("worklist.html", worklist=read_worklist(services, who)), 409
