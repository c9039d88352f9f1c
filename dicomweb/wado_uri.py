"""WADO-URI: one object by query parameters, for older viewers; each is answered as its WADO-RS counterpart is.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/chapter_9.html
"""

from __future__ import annotations

from typing import Final

from flask import Response, g, request
from werkzeug.datastructures import MultiDict

from dicomweb.frames import DICOM
from dicomweb.pictures import LARGEST_SIDE
from dicomweb.problems import bad_request
from dicomweb.rendering import rendered, rendered_frame
from dicomweb.retrieving import PDF, files
from dicomweb.services import Services
from dicomweb.target import Target, held
from dicomweb.uids import is_uid

RULE: Final = "/wado"
AT_ROOT: Final = ""
"""Where dcmjs' dicomweb-client asks: the standard leaves the address of this service to the server."""

UIDS: Final = {"studyUID": "study_uid", "seriesUID": "series_uid", "objectUID": "sop_uid"}
KNOWN: Final = frozenset(
    {*UIDS, "requestType", "contentType", "charset", "transferSyntax", "frameNumber", "rows", "columns"}
    | {"windowCenter", "windowWidth", "imageQuality"}
)
"""What we can honour. A request for more (anonymize, annotation, region) is refused, rather than half done."""

JPEG: Final = "image/jpeg"


def wado_uri(services: Services, _: Target) -> Response:
    """Answer a WADO-URI request; what it cannot mean is a 400."""
    said = request.args
    if said.get("requestType") != "WADO" or not set(said) <= KNOWN:
        raise bad_request("A WADO-URI request has requestType=WADO and parameters that we know.")
    uids = {ours: said.get(theirs, "") for theirs, ours in UIDS.items()}
    if not all(map(is_uid, uids.values())):
        raise bad_request("A WADO-URI request names studyUID, seriesUID and objectUID.")
    g.dicomweb_asked = uids
    target = Target(**uids, frames=said.get("frameNumber", ""))
    wanted = said.get("contentType") or _usual(services, target)
    if DICOM in wanted:
        g.dicomweb_query = MultiDict({"accept": _file(said.get("transferSyntax", ""))})
        return files(services, target)
    g.dicomweb_query = MultiDict({"accept": wanted, **_look(said)})
    return (rendered_frame if target.frames else rendered)(services, target)


def _usual(services: Services, target: Target) -> str:
    """What is sent to whoever does not say what they want: a picture of what is one, else the object (9.1.2.2)."""
    (one,) = held(services, target)
    return JPEG if one.rows and (one.frames <= 1 or target.frames) else f"{DICOM}, {PDF};q=0.5"


def _file(transfer_syntax: str) -> str:
    """What was asked for; otherwise explicit little endian, or as it is stored."""
    if transfer_syntax:
        return f"{DICOM}; transfer-syntax={transfer_syntax}"
    return f"{DICOM}, {DICOM}; transfer-syntax=*; q=0.5"


def _look(said: MultiDict[str, str]) -> dict[str, str]:
    """The rendering parameters in the words of WADO-RS, which judges their values."""
    look = {}
    if said.get("rows") or said.get("columns"):
        look["viewport"] = f"{said.get('columns') or LARGEST_SIDE},{said.get('rows') or LARGEST_SIDE}"
    if said.get("windowCenter") or said.get("windowWidth"):
        look["window"] = f"{said.get('windowCenter', '')},{said.get('windowWidth', '')}"
    if said.get("imageQuality"):
        look["quality"] = said["imageQuality"]
    return look
