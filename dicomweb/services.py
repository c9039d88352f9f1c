"""What the DICOMweb front needs from the rest of the application; `gateway.create_app` hands it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from config.database import Database
from dicomweb.baked import Baked
from dicomweb.keeping import StoreTarget
from dicomweb.known import KnownSeries
from dicomweb.planning import Crowds
from dicomweb.received import StoreLimits
from dicomweb.verdicts import Asker, Lately, Question, Verdict
from dicomweb.written import WrittenResults
from orthanc.cache import ReadCache
from orthanc.decoder import Decoder
from worklist.access import Viewer


class Access(NamedTuple):
    """One answered request, for the audit trail: who asked what of which study, from where, and with what outcome.

    Neither a person nor a link nor an AE title: nobody who was known. `status`: HTTP, of a C-FIND that of DIMSE.
    A tuple, because one is made and looked up for each frame.
    """

    person_id: int | None
    action: str
    study_uid: str
    series_uid: str
    case_id: int | None  # where the address names one
    status: int
    address: str
    link_id: int | None = None
    ae_title: str = ""


def _no_audit(_: Access) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Services:
    """Callables and objects of one application.

    `viewer` says who makes the current request, None if nobody is signed in. `base_url` is the public URL of
    /dicom-web, without a slash at its end, from our settings and never from a request. `store_target` says where
    what this person sends is kept, None if they may not send anything. `spool` is a folder for what is being
    received, on the disk of the inbox.
    """

    viewer: Callable[[], Viewer | None]
    database: Database
    cache: ReadCache
    baked: Baked
    decoder: Decoder
    base_url: Callable[[], str]
    store_target: StoreTarget
    spool: Path
    store_limits: StoreLimits = field(default_factory=StoreLimits)
    audit: Callable[[Access], None] = _no_audit
    known: KnownSeries = field(default_factory=KnownSeries)
    written: WrittenResults = field(default_factory=WrittenResults)
    crowds: Crowds = field(default_factory=Crowds)
    verdicts: Lately[Question, Verdict] = field(default_factory=Lately)
    askers: Lately[tuple[str, ...], Asker] = field(default_factory=Lately)
