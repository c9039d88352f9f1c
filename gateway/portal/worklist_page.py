"""The worklist: a reader's open cases, their own first; a coordinator's view of all."""

from __future__ import annotations

from dataclasses import dataclass

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.portal.case_lines import OPEN, CaseLine, case_lines
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from worklist.access import Viewer
from worklist.states import CaseState
from worklist.subspecialties import label


@dataclass(frozen=True, slots=True)
class Worklist:
    """The lists of the page, and for whom they are."""

    mine: list[CaseLine]
    waiting: list[CaseLine]
    others: list[CaseLine]
    oversees: bool
    fields: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.mine or self.waiting or self.others)


def read_worklist(services: PortalServices, who: Viewer) -> Worklist:
    """The worklist of this person now."""
    with services.database.reading() as session:
        lines = case_lines(session, who, OPEN)
    return Worklist(
        mine=[line for line in lines if line.mine],
        waiting=[line for line in lines if not line.mine and line.case.state is CaseState.READY],
        others=[line for line in lines if not line.mine and line.case.state is not CaseState.READY],
        oversees=who.oversees,
        fields=tuple(sorted(label(each) for each in who.subspecialties)),
    )


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/worklist`, and its rows alone for the live refresh."""

    @portal.get("/worklist")
    def worklist() -> ResponseReturnValue:
        return flask.render_template("worklist.html", worklist=read_worklist(services, asking()))

    @portal.get("/worklist/rows")
    def worklist_rows() -> ResponseReturnValue:
        return flask.render_template("worklist_rows.html", worklist=read_worklist(services, asking()))
