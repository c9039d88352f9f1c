"""What the pages need from the rest of the gateway; `create_app` fills it in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy.orm import Session

from config.database import Database
from config.settings import Settings
from dicomweb.services import Access
from gateway.archives import Archives
from gateway.quarantine import Quarantine
from gateway.saved import Saved
from gateway.ways import Ways
from orthanc.cache import ReadCache
from sr_reports.sections import Section
from worklist.access import Viewer
from worklist.cases import OnTheirWay
from worklist.models import Case
from worklist.routing import Route
from worklist.seen import Seen


class Outcome(StrEnum):
    """What became of one uploaded file, or of one entry of an uploaded zip."""

    STORED = "stored"
    KNOWN = "known"  # we had exactly this image already
    SKIPPED = "skipped"  # not an image; nothing is lost by it
    REFUSED = "refused"  # an image that we cannot take; the requester should know


@dataclass(frozen=True, slots=True)
class UploadVerdict:
    """`reason` is plain words for the patient: "not a DICOM image". It may be empty for what was stored."""

    name: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PortalServices:
    """The callables behind the pages.

    `keep_upload(viewer, case_id, path, name)` takes the file at `path` (which the caller removes afterwards) into the
    inbox; a zip answers with one verdict for each entry. It raises lifecycle's NotFound, NotAllowed and WrongState.
    `on_their_way(case_id)` counts what was uploaded into a case and is not in the archive yet.
    `preview` and `preview_pdf` say what the report says: of the draft, or, once signed, of its newest version; they
    and `sign` raise Unreportable. `ways` and `archives` call while somebody waits. `saved` are the objects that readers
    saved from the viewer, the newest first. `audit` notes who looked at what.
    """

    settings: Settings
    database: Database
    sign: Callable[[Viewer, int, Seen], int]
    quarantine: Quarantine
    ways: Ways
    archives: Archives
    keep_upload: Callable[[Viewer, int, Path, str], list[UploadVerdict]]
    on_their_way: OnTheirWay
    preview: Callable[[Session, Case], tuple[Section, ...]]
    preview_pdf: Callable[[Session, Case], bytes]
    route: Route
    saved: Callable[[Session, Case], Sequence[Saved]]
    cache: ReadCache
    audit: Callable[[Access], None]
