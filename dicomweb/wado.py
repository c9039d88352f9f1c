"""WADO-RS and WADO-URI: every URL of a study, a series, an instance, a frame, its metadata and its pictures.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.4.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response

from dicomweb import wado_uri
from dicomweb.download import NAME, download
from dicomweb.metadata import metadata
from dicomweb.rendering import rendered, rendered_frame, thumbnail
from dicomweb.retrieving import bulk, files, frames
from dicomweb.roots import add_route
from dicomweb.services import Services
from dicomweb.target import Target

STUDY: Final = "/studies/<study_uid>"
SERIES: Final = f"{STUDY}/series/<series_uid>"
INSTANCE: Final = f"{SERIES}/instances/<sop_uid>"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource that can be retrieved, and what answers for it."""

    rule: str
    endpoint: str
    view: Callable[[Services, Target], Response]


RESOURCES: Final = (
    Resource(STUDY, "retrieve_study", files),
    Resource(SERIES, "retrieve_series", files),
    Resource(INSTANCE, "retrieve_instance", files),
    Resource(f"{STUDY}/metadata", "study_metadata", metadata),
    Resource(f"{SERIES}/metadata", "series_metadata", metadata),
    Resource(f"{INSTANCE}/metadata", "instance_metadata", metadata),
    Resource(f"{INSTANCE}/frames/<frames>", "retrieve_frames", frames),
    Resource(f"{INSTANCE}/bulk/<path:bulk>", "retrieve_bulk", bulk),
    Resource(f"{STUDY}/rendered", "rendered_study", rendered),
    Resource(f"{SERIES}/rendered", "rendered_series", rendered),
    Resource(f"{INSTANCE}/rendered", "rendered_instance", rendered),
    Resource(f"{INSTANCE}/frames/<frames>/rendered", "rendered_frame", rendered_frame),
    Resource(f"{STUDY}/thumbnail", "study_thumbnail", thumbnail),
    Resource(f"{SERIES}/thumbnail", "series_thumbnail", thumbnail),
    Resource(f"{INSTANCE}/thumbnail", "instance_thumbnail", thumbnail),
    Resource(f"{INSTANCE}/frames/<frames>/thumbnail", "frame_thumbnail", thumbnail),
    Resource(f"{STUDY}/{NAME}", "download_study", download),
    Resource(wado_uri.RULE, "wado_uri", wado_uri.wado_uri),
    Resource(wado_uri.AT_ROOT, "wado_uri_at_root", wado_uri.wado_uri),
)
"""Tables 10.1-1 and 10.4.1-1 to 10.4.1-4, as far as they are implemented. HEAD answers like GET."""


def add_retrieve_routes(blueprint: Blueprint, services: Services) -> None:
    """Let all of it be retrieved."""
    for resource in RESOURCES:
        add_route(blueprint, resource.rule, resource.endpoint, _view(services, resource), "GET")


def _view(services: Services, resource: Resource) -> Callable[..., Response]:
    def answer(**parts: str) -> Response:
        return resource.view(services, Target(**parts))

    return answer
