"""Orthanc by itself, as one would run it well: our managed configuration with its own DICOM port and no password.

Larger PDUs than its default, no Nagle, kept-alive connections, no compression over loopback, a storage cache that
holds the whole series, files synchronised to disk as its default has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.dcmtk import Receiver
from bench.programs import free_port, listens, running, wait_for
from orthanc import server

AE_TITLE = "ORTHANC"
OWN_DICOM = {
    "AuthenticationEnabled": False,
    "DicomServerEnabled": True,
    "DicomAet": AE_TITLE,
    "DicomCheckCalledAet": False,
    "DicomAlwaysAllowEcho": True,
    "DicomAlwaysAllowStore": True,
    "MaximumPduLength": 131072,
    "DicomThreadsCount": 4,
    "HttpThreadsCount": 50,
    "MaximumStorageCacheSize": 1024,
    "OverwriteInstances": False,
}


@dataclass(frozen=True, slots=True)
class OrthancAlone:
    """A running one."""

    http: int
    receiver: Receiver
    pid: int


@contextmanager
def orthanc_alone(folder: Path) -> Iterator[OrthancAlone]:
    """Run it for as long as the block lasts."""
    http, dicom = free_port(), free_port()
    configuration = server.write_configuration(folder, http, "unused")
    content = json.loads(configuration.read_text()) | OWN_DICOM | {"DicomPort": dicom}
    configuration.write_text(json.dumps(content))
    with running(server.command(configuration).argv, folder.parent / "orthanc.log") as process:
        wait_for(lambda: listens(http) and listens(dicom), 60, "Orthanc listening")
        yield OrthancAlone(http, Receiver(AE_TITLE, dicom), process.pid)
