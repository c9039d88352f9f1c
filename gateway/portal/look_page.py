"""`/cases/<id>/look`: the images as pictures made by us, for phones, where OHIF fails, and for a quick look anywhere.

What is on the page, `look_stage.html` with static/look.js, needs a DICOMweb root alone; whoever has another one of
those (a shared link) includes the same template with its `root`. `own`: the studies that are shown before all others
below the root, however new those are.
"""

from __future__ import annotations

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from dicomweb.roots import URL_PREFIX, root_url
from gateway.portal.case_lines import case_line
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from worklist import cases


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """The page; the images come from DICOMweb, below the root of the case, with its rights."""

    @portal.get("/cases/<int:case_id>/look")
    def look(case_id: int) -> ResponseReturnValue:
        with services.database.reading() as session:
            case = cases.get(session, asking(), case_id)
            line = case_line(session, case, asking())
            own = [study.study_uid for study in case.studies]
            root = root_url(URL_PREFIX, case_id)
            return flask.render_template("look.html", case=case, line=line, root=root, own=own)
