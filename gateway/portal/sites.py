"""A hospital's page: its cases, what of them arrived, and what has come back."""

from __future__ import annotations

from dataclasses import dataclass

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from gateway.portal.case_lines import CaseLine, case_lines
from gateway.portal.reports import ReportView, report_views
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from worklist.access import Viewer
from worklist.cases import SETTLED
from worklist.models import Site, Trouble

MOST_TROUBLES = 20


@dataclass(frozen=True, slots=True)
class SiteCase:
    """One case of the site, with the report's ways home."""

    line: CaseLine
    reports: tuple[ReportView, ...]


@dataclass(frozen=True, slots=True)
class SiteView:
    """What one site sees. `troubles` are objects of theirs that we could not take."""

    site: Site | None
    open: list[SiteCase]
    settled: list[SiteCase]
    troubles: list[Trouble]


def read_site(session: Session, who: Viewer) -> SiteView:
    """The page of this person's site."""
    query = select(Site).where(Site.id == who.site_id).options(selectinload(Site.peers))
    site = session.scalars(query).one_or_none()
    lines = [line for line in case_lines(session, who) if line.case.site_id == who.site_id and site is not None]
    found = [SiteCase(line, report_views(line.case)) for line in lines]
    return SiteView(
        site=site,
        open=[each for each in found if each.line.case.state not in SETTLED],
        settled=[each for each in reversed(found) if each.line.case.state in SETTLED],
        troubles=_troubles(session, who),
    )


def _troubles(session: Session, who: Viewer) -> list[Trouble]:
    query = select(Trouble).where(Trouble.origin == f"site:{who.site_id}", Trouble.resolved_at.is_(None))
    return list(session.scalars(query.order_by(Trouble.received_at.desc()).limit(MOST_TROUBLES)))


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`/site`, and its rows alone for the live refresh."""

    def render(template: str) -> str:
        with services.database.reading() as session:
            return flask.render_template(
                template, view=read_site(session, asking()), dicom=services.settings.dicom, asking=asking()
            )

    @portal.get("/site")
    def site() -> ResponseReturnValue:
        return render("site.html")

    @portal.get("/site/rows")
    def site_rows() -> ResponseReturnValue:
        return render("site_rows.html")
