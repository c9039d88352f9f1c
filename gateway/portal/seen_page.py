"""Who has seen the images of a case: for its patient, its site and coordinators, out of the access lines."""

from __future__ import annotations

from collections.abc import Mapping

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.portal.case_lines import case_line
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from worklist import cases, looked
from worklist.lifecycle import NotFound
from worklist.looked import Looked
from worklist.models import AccessLine, Person
from worklist.sharing import may_share
from worklist.states import Role

MOST_LINES = 200
ROLES: Mapping[Role, str] = {  # the first that somebody has
    Role.READER: "radiologist",
    Role.COORDINATOR: "coordinator",
    Role.ADMIN: "administrator",
    Role.SITE: "hospital",
    Role.PATIENT: "patient",
}


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/cases/<id>/seen`."""

    @portal.get("/cases/<int:case_id>/seen")
    def case_seen(case_id: int) -> ResponseReturnValue:
        who = asking()
        with services.database.reading() as session:
            case = cases.get(session, who, case_id)
            if not may_share(case, who):
                raise NotFound(f"There is no case {case_id}.")
            found = [(one, *_named(one)) for one in looked.who_looked(session, case)]
            links = {one.link.id: one.link.made_for for one, *_ in found if one.link}
            lines = looked.lines(session, case, MOST_LINES) if who.oversees else ()
            named = [(one, _of_line(one, links)) for one in lines]
            line = case_line(session, case, who)
            return flask.render_template("case_seen.html", case=case, line=line, found=found, lines=named)


def _named(one: Looked) -> tuple[str, str]:
    """Who it is, and as what they looked."""
    if one.person is None:
        return (one.link.made_for, "by a link") if one.link else ("Somebody", "unknown")
    return _name(one.person), f"by the link for {one.link.made_for}" if one.link else _role(one.person)


def _of_line(line: AccessLine, links: Mapping[int, str]) -> str:
    by_link = f"the link for {links.get(line.link_id, line.link_id)}" if line.link_id else ""
    parts = (_name(line.person) if line.person else "", by_link, line.ae_title)
    return ", ".join(part for part in parts if part) or "nobody known"


def _name(person: Person) -> str:
    return person.display_name or person.email


def _role(person: Person) -> str:
    has = {role.name for role in person.roles}
    return next((words for role, words in ROLES.items() if role in has), "")
