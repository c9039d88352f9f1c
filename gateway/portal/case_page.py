"""The page of one case: the reading room, or what requester and coordinator need of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.beside import newest_prior
from gateway.portal.case_lines import CaseLine, case_line
from gateway.portal.documents import documents_of
from gateway.portal.elsewhere import elsewhere
from gateway.portal.fates import fate_of
from gateway.portal.identities import doubt_of
from gateway.portal.notices import kept_aside, late_images
from gateway.portal.prior_views import priors_view
from gateway.portal.reading import answers_of
from gateway.portal.remarks import lacks_images, last_arrival, remarks_for_patient, remarks_in_words
from gateway.portal.reports import moving, report_views, standing
from gateway.portal.rights import READERS, asking
from gateway.portal.services import PortalServices
from gateway.portal.studies import fusion_link, viewer_link
from gateway.portal.timeline import timeline
from sr_reports.errors import Unreportable
from sr_reports.sections import Section, SectionName
from worklist import cases
from worklist.access import Viewer
from worklist.cases import EDITABLE_BY_REQUESTER
from worklist.lifecycle import Action
from worklist.models import AuditLine, Case
from worklist.papers import sees_papers_of
from worklist.readers import is_unread, subspecialties_read
from worklist.refusals import refused_of
from worklist.states import CaseState, Role
from worklist.strangers import decided_of
from worklist.subspecialties import Subspecialty, label

WRITING = frozenset({CaseState.CLAIMED, CaseState.ON_HOLD})
UPLOADING = frozenset({CaseState.DRAFT, CaseState.AWAITING_IMAGES})
CONCORDANCES = (
    ("agree", "Agrees with the first report"),
    ("minor", "Minor difference: it would not change what is done"),
    ("major", "Major difference: it would change what is done"),
    ("not_provided", "No first report was provided"),
)
FOR_THE_PATIENT = (SectionName.ANSWERS, SectionName.IMPRESSION, SectionName.RECOMMENDATIONS, SectionName.COMPARISON,
                   SectionName.FINDINGS)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of case page, and for whom it is."""

    template: str
    is_for: Callable[[Viewer, Case], bool]


KINDS = (  # the first that fits
    Kind("reading_room.html", lambda who, case: case.reader_id == who.person_id),
    Kind("case_oversight.html", lambda who, _: who.oversees),
    Kind("case_patient.html", lambda who, case: case.patient_id == who.person_id),
    Kind("case_site.html", lambda who, case: Role.SITE in who.roles and case.site_id == who.site_id),
    Kind("reading_room.html", lambda *_: True),
)


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/cases/<id>`, and those of its parts that refresh by themselves. A page that sees another state loads anew."""

    def render(case_id: int, template: str = "") -> str:
        who = asking()
        with services.database.reading() as session:
            case = cases.get(session, who, case_id)
            page = template or next(kind.template for kind in KINDS if kind.is_for(who, case))
            return flask.render_template(page, **_told(services, session, case, who))

    @portal.get("/cases/<int:case_id>")
    def case(case_id: int) -> ResponseReturnValue:
        return render(case_id)

    @portal.get("/cases/<int:case_id>/state")
    def case_state(case_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            case = cases.get(session, asking(), case_id)
            is_now = _about(session, case, asking(), case_line(session, case, asking()))["standing"]
        return "", 204, {"HX-Refresh": "true"} if flask.request.args.get("was") != is_now else {}

    @portal.get("/cases/<int:case_id>/news")
    def case_news(case_id: int) -> ResponseReturnValue:
        return render(case_id, "case_news.html")

    @portal.get("/cases/<int:case_id>/saved")
    def case_saved(case_id: int) -> ResponseReturnValue:
        return render(case_id, "case_saved.html")

    @portal.get("/cases/<int:case_id>/remarks")
    def case_remarks(case_id: int) -> ResponseReturnValue:
        return render(case_id, "case_remarks.html")

    @portal.get("/cases/<int:case_id>/images")
    def case_images(case_id: int) -> ResponseReturnValue:
        return render(case_id, "case_images.html")


def _told(services: PortalServices, session: Session, case: Case, who: Viewer) -> dict[str, object]:
    holds = case.reader_id == who.person_id
    line = case_line(session, case, who)
    read = subspecialties_read(session)
    return {
        **_about(session, case, who, line),
        "elsewhere": elsewhere(session, case, who),
        "fate": fate_of(session, case, services.on_their_way(case.id)) if case.patient_id == who.person_id else None,
        "holds": holds,
        "writing": holds and case.state is CaseState.CLAIMED,
        "answers": answers_of(case),
        "concordances": _concordances(case),
        "reports": report_views(case),
        "poll": 2 if moving(case) else 5,
        "priors": priors_view(session, case, who, line.studies) if who.roles & READERS else None,
        "saved": services.saved(session, case) if sees_papers_of(case, who) else (),
        "sections": _sections(services, session, case, who),
        "steps": timeline(case, unread=is_unread(case, read)),
        "uploading": case.state in UPLOADING and case.patient_id == who.person_id,
        "editable": case.state in EDITABLE_BY_REQUESTER,
        "history": _history(session, case) if who.oversees else (),
        "cancelled": _cancelled(session, case) if case.state is CaseState.CANCELLED else None,
        "subspecialties": [(each.value, label(each), each.value in read) for each in Subspecialty],
    }


def _concordances(case: Case) -> tuple[tuple[str, str], ...]:
    """Only what can be signed: with a first report how it compares, without one that there is none."""
    return tuple(each for each in CONCORDANCES if (each[0] == "not_provided") is not bool(case.prior_report.strip()))


def _about(session: Session, case: Case, who: Viewer, line: CaseLine) -> dict[str, object]:
    aside = kept_aside(session, case, who)
    remarks, lacking = _remarks(session, case, who)
    prior = newest_prior(session, who, case)
    return {
        "case": case,
        "line": line,
        "viewer_link": viewer_link(case.id, line.studies, prior.study_uid if prior else ""),
        "fusion_link": fusion_link(case.id, line.studies),
        "documents": documents_of(session, who, case),
        "doubt": doubt_of(case),
        "remarks": remarks,
        "lacks_images": lacking,
        "last_arrival": last_arrival(case, remarks),
        "late": late_images(case, who),
        "aside": aside,
        "standing": standing(case, (aside, str(line.unread), *remarks)),
    }


def _remarks(session: Session, case: Case, who: Viewer) -> tuple[tuple[str, ...], bool]:
    """What is to be said of the images, and whether some are missing."""
    if case.patient_id != who.person_id:
        decided = decided_of(session, case)
        return remarks_in_words(case, decided), lacks_images(case, decided)
    told = remarks_for_patient(case, refused_of(session, case))
    return ((told,) if told else ()), bool(told)


def _sections(services: PortalServices, session: Session, case: Case, who: Viewer) -> tuple[Section, ...]:
    """What the signed report says; for the patient the answers come first."""
    if not case.reports:
        return ()
    try:
        sections = services.preview(session, case)
    except Unreportable:
        return ()
    if case.patient_id != who.person_id:
        return sections
    named = {section.name: section for section in sections}
    return tuple(named[name] for name in FOR_THE_PATIENT if name in named)


def _cancelled(session: Session, case: Case) -> AuditLine | None:
    """When a coordinator cancelled it, and why; None if its patient withdrew it."""
    lines = select(AuditLine).where(AuditLine.case_id == case.id, AuditLine.action == Action.CANCEL)
    return session.scalars(lines.order_by(AuditLine.id.desc()).limit(1)).first()


def _history(session: Session, case: Case) -> list[AuditLine]:
    lines = select(AuditLine).where(AuditLine.case_id == case.id).order_by(AuditLine.id)
    found = list(session.scalars(lines))
    for line in found:
        _ = line.person  # read while the session is open
    return found
