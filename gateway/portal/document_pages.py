"""`/cases/<id>/documents/…`: reports and PDFs, read beside the viewer, since OHIF hardly shows a report.

Rights are those of the case, and each look is a line of the audit as at /dicom-web.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import flask
import orjson
from flask import Blueprint
from flask.typing import ResponseReturnValue

from dicomweb.services import Access
from gateway.portal.documents import Document, document_of, image_addresses
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from orthanc.cached import CachedInstance
from orthanc.errors import NoSuchBulk
from sr_reports.narrative import Block, Narrative, Unshowable, narrate
from worklist import cases

PDF: Final = "00420011"
LARGEST_REPORT: Final = 16 << 20
MOST_PICTURES: Final = 200
# The browser's own PDF viewer needs the last two; nobody but our pages may frame it.
PDF_POLICY: Final = "default-src 'none'; frame-ancestors 'self'; object-src 'self'; style-src 'unsafe-inline'"


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """One document as a page or, asked for by a page, as a part of it; and a PDF as itself."""

    @portal.get("/cases/<int:case_id>/documents/<sop_uid>")
    def case_document(case_id: int, sop_uid: str) -> ResponseReturnValue:
        one = _look_up(services, case_id, sop_uid)
        told = {} if one.is_pdf else _told(services, case_id, one)
        _note(services, case_id, one, "show_document")
        template = "document_part.html" if flask.request.headers.get("HX-Request") else "document.html"
        return flask.render_template(template, case_id=case_id, document=one, **told)

    @portal.get("/cases/<int:case_id>/documents/<sop_uid>/pdf")
    def case_document_pdf(case_id: int, sop_uid: str) -> ResponseReturnValue:
        one = _look_up(services, case_id, sop_uid)
        answer = flask.Response(_pdf(services, one), mimetype="application/pdf")
        answer.headers["Content-Disposition"] = f'inline; filename="document-{case_id}.pdf"'
        answer.headers["Content-Security-Policy"] = PDF_POLICY
        _note(services, case_id, one, "show_pdf")
        return answer


def _look_up(services: PortalServices, case_id: int, sop_uid: str) -> Document:
    with services.database.reading() as session:
        cases.get(session, asking(), case_id)
        found = document_of(session, asking(), case_id, sop_uid)
    return found or flask.abort(404)


def _told(services: PortalServices, case_id: int, one: Document) -> dict[str, object]:
    """What a structured report says, with its pictures; or why it cannot be shown."""
    try:
        narrative = _narrative(services, one)
    except Unshowable as error:
        return {"problem": str(error)}
    wanted = set(islice(_images(narrative.blocks), MOST_PICTURES))
    with services.database.reading() as session:
        return {"narrative": narrative, "pictures": image_addresses(session, asking(), case_id, wanted)}


def _narrative(services: PortalServices, one: Document) -> Narrative:
    cached = services.cache.get(one.sha256, one.archive_id)
    if cached.part10_length > LARGEST_REPORT:
        raise Unshowable("This document is too long to be shown here. You can download it as it came.")
    return narrate(b"".join(cached.stream()))


def _images(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        yield from (each.sop_uid for each in block.images)
        yield from _images(block.blocks)


def _pdf(services: PortalServices, one: Document) -> Iterator[bytes]:
    if not one.is_pdf:
        flask.abort(404)
    cached = services.cache.get(one.sha256, one.archive_id)
    try:
        return cached.stream(cached.bulk(PDF).pieces)
    except NoSuchBulk:
        return iter([_short_pdf(cached)])


def _short_pdf(cached: CachedInstance) -> bytes:
    """A value of at most a kilobyte stands in the metadata itself."""
    value = orjson.loads(cached.metadata).get(PDF) or flask.abort(404)
    return base64.b64decode(value.get("InlineBinary", ""))


def _note(services: PortalServices, case_id: int, one: Document, action: str) -> None:
    services.audit(
        Access(
            person_id=asking().person_id,
            action=action,
            study_uid=one.study_uid,
            series_uid=one.series_uid,
            case_id=case_id,
            status=200,
            address=flask.request.remote_addr or "",
        )
    )
