"""Where an installation listens, in words: whoever cannot reach it shall know why."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from config.settings import Settings


def where(settings: Settings) -> Iterator[str]:
    """A sentence for the pages, for DICOM and for its TLS, with what opens it where only this machine reaches it."""
    for what, at, section in (("Pages", settings.http, "HTTP"), ("DICOM", settings.dicom, "DICOM")):
        said = f"{what}: listens on {at.host}, port {at.port}."
        closed = f" Only this machine reaches it; OVERREAD_{section}__HOST=0.0.0.0 opens it."
        yield said + closed * reaches_us_alone(at.host)
    if settings.dicom.tls.port:
        yield f"DICOM by TLS: listens on {settings.dicom.host}, port {settings.dicom.tls.port}."


def reaches_us_alone(host: str) -> bool:
    """Whether no other machine can call this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
