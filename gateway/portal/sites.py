"""A hospital's page: its cases, what of them arrived, and what has come back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, SQLColumnExpression, select
from sqlalchemy.orm import Session, defer, selectinload

from gateway.portal.case_lines import CaseLine, lines_of
from gateway.portal.oversight import KINDS
from gateway.portal.reports import ReportView, report_views
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from worklist.access import Viewer, sees_case
from worklist.cases import SETTLED
from worklist.lacking import Lacking, lacking
from worklist.models import Case, Report, Site, Study
from worklist.unattended import Alike, unattended

MOST_CASES = 200
MOST_TROUBLES = 20


@dataclass(frozen=True, slots=True)
class SiteCase:
    """One case of the site, with the report's ways home."""

    line: CaseLine
    reports: tuple[ReportView, ...]


@dataclass(frozen=True, slots=True)
class SiteView:
    """What one site sees. `troubles` are objects of theirs that we could not take, equal ones together."""

    site: Site | None
    open: list[SiteCase]
    settled: list[SiteCase]
    troubles: list[Alike]
    lacking: list[Lacking]


def read_site(session: Session, who: Viewer, patience: timedelta) -> SiteView:
    """The page of this person's site; `patience` is the longest wait for images of which we know."""
    query = select(Site).where(Site.id == who.site_id).options(selectinload(Site.peers))
    site = session.scalars(query).one_or_none()
    if site is None:
        return SiteView(None, [], [], [], [])
    return SiteView(
        site=site,
        open=_cases(session, who, Case.state.not_in(SETTLED), Case.due_at.is_(None), Case.due_at, Case.id),
        settled=_cases(session, who, Case.state.in_(SETTLED), Case.id.desc()),
        troubles=unattended(session, f"site:{who.site_id}")[:MOST_TROUBLES],
        lacking=lacking(session, patience, f"site:{who.site_id}"),
    )


def _cases(
    session: Session, who: Viewer, which: ColumnElement[bool], *order: SQLColumnExpression[Any]
) -> list[SiteCase]:
    """Cases of the site without the reports' texts, which a list does not show."""
    reports = selectinload(Case.reports)
    found = session.scalars(
        select(Case)
        .where(sees_case(who), Case.site_id == who.site_id, which)
        .order_by(*order)
        .limit(MOST_CASES)
        .options(
            selectinload(Case.studies).selectinload(Study.series),
            reports.options(defer(Report.content), defer(Report.reference), selectinload(Report.deliveries)),
        )
    ).all()
    return [SiteCase(line, report_views(line.case)) for line in lines_of(session, found, who)]


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/site`, and its rows alone for the live refresh."""

    def render(template: str) -> str:
        with services.database.reading() as session:
            view = read_site(session, asking(), services.settings.studies.longest_wait)
            dicom = services.settings.dicom
            return flask.render_template(template, view=view, dicom=dicom, kinds=KINDS, asking=asking())

    @portal.get("/site")
    def site() -> ResponseReturnValue:
        return render("site.html")

    @portal.get("/site/rows")
    def site_rows() -> ResponseReturnValue:
        return render("site_rows.html")
