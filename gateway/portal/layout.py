"""What every page has: the words for templates, and the menu of the person's roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import flask
from flask import Blueprint
from flask_login import current_user

from config.settings import Settings
from gateway.listening import reaches_us_alone
from gateway.portal import words
from gateway.portal.mending import mending
from gateway.portal.remarks import who_else
from gateway.portal.rights import PATIENTS, READERS, SENDERS, SITES
from sr_reports.prose import blocks, language, right_to_left
from worklist.access import OVERSEERS
from worklist.states import Role

# Templates of our own names: Flask asks Flask-Security's folder before ours.
SECURITY_TEMPLATES = {"SECURITY_LOGIN_USER_TEMPLATE": "sign_in.html", "SECURITY_VERIFY_TEMPLATE": "sign_in_again.html"}
DEMO_PASSWORD = "demo"  # noqa: S105  # of the demonstration's people, who exist with --demo only
DEMO_PEOPLE = (
    ("reader@demo.example", "Neuroradiologist", "reads brain and spine"),
    ("chest@demo.example", "Thoracic radiologist", "reads the chest"),
    ("patient@demo.example", "Patient", "asks for a second opinion"),
    ("hospital@demo.example", "Hospital", "sends studies, gets reports"),
    ("coordinator@demo.example", "Coordinator", "sees to what is stuck"),
    ("admin@demo.example", "Administrator", "sees everything"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the menu, for these roles."""

    title: str
    endpoint: str
    roles: frozenset[Role]


MENU = (
    Entry("Oversight", "portal.oversight", OVERSEERS),
    Entry("Worklist", "portal.worklist", READERS),
    Entry("Hospitals", "portal.hospitals", OVERSEERS),
    Entry("Our cases", "portal.site", SITES),
    Entry("What arrived", "portal.arrived", SENDERS),
    Entry("Programs", "portal.tokens", SENDERS),
    Entry("My requests", "portal.requests", PATIENTS),
    Entry("New request", "portal.new_request", PATIENTS),
)
FILTERS: Mapping[str, Callable[..., object]] = {
    "only_this_machine": reaches_us_alone,
    "moment": words.moment,
    "clock": words.clock,
    "relative": words.relative,
    "counted": words.counted,
    "dicom_date": words.dicom_date,
    "done": words.done,
    "person_name": words.person_name,
    "who_else": who_else,
    "prose": blocks,
    "language": language,
    "mending": mending,
    "rtl": right_to_left,
}


def furnish(portal: Blueprint, settings: Settings) -> None:
    """Give the templates of the whole application their words, and the layout what it shows."""
    for name, function in FILTERS.items():
        portal.add_app_template_filter(function, name)
    portal.record_once(lambda state: state.app.config.update(SECURITY_TEMPLATES))

    @portal.app_context_processor
    def about_the_person() -> dict[str, object]:
        who = flask.g.get("viewer")
        return {
            "menu": [entry for entry in MENU if who is not None and who.roles & entry.roles],
            "asking_id": who.person_id if who is not None else None,
            "person_name": _name() if who is not None else "",
            "demo_people": DEMO_PEOPLE if settings.demo else (),
            "demo_password": DEMO_PASSWORD if settings.demo else "",
        }


def _name() -> str:
    """The name in the corner; a program with a bearer token has none."""
    return str(getattr(current_user, "display_name", "") or getattr(current_user, "email", ""))
