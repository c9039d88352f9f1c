"""An opinion as a PDF for people, and that PDF as a DICOM object."""

from __future__ import annotations

from pathlib import Path

from sr_reports.encapsulated import encapsulate
from sr_reports.opinion import ReportContent
from sr_reports.page import page
from sr_reports.problems import written
from sr_reports.structured import build_sr, dataset_digest
from sr_reports.typeset import typeset

__all__ = ["build_pdf", "encapsulate"]

TEMPLATE = Path(__file__).with_name("report.typ")


def build_pdf(content: ReportContent, *, draft: bool = False, sr: bytes | None = None) -> bytes:
    """The report on A4, PDF/A-2a and PDF/UA-1. The same content gives the same bytes.

    The last page names the SR by UID and digest: of `sr`, what `build_sr` made of this content, and is made
    anew where it is not given. A draft may lack anything, says on each page that it is not signed, and names no SR.
    Raises Unreportable, in plain words, for what `build_sr` refuses and for text of the reader's that
    no font can print; text of others gets a sign and a note in its place.
    """
    digest = "" if draft else dataset_digest(sr or build_sr(content))
    return typeset(TEMPLATE, page(content, digest, draft=draft), content.signed_at, tuple(written(content.opinion)))
