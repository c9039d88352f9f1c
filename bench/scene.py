"""What the measurements share: the running servers, the images, the notebook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.dcmtk import Receiver
from bench.images import Study, Template
from bench.load import Server
from bench.metrics import ORTHANC, OVERREAD
from bench.notebook import Notebook
from bench.orthanc_alone import OrthancAlone
from bench.overread import Installation
from bench.plan import Plan


@dataclass(frozen=True, slots=True)
class Scene:
    """One run. `inbox`: where the hospital's storescp writes reports."""

    plan: Plan
    folder: Path
    overread: Installation
    orthanc: OrthancAlone
    ct: Template
    inbox: Path
    notes: Notebook

    def new_ct(self) -> Study:
        """A CT study that nobody has seen."""
        return self.ct.write(self.folder / "sent")

    def receiver(self, subject: str) -> Receiver:
        """Where a server takes C-STORE."""
        return self.overread.receiver if subject == OVERREAD else self.orthanc.receiver

    def web(self) -> tuple[Server, Server]:
        """Both DICOMweb servers: ours checks the reader's rights, Orthanc lets everybody in."""
        return (
            Server(OVERREAD, self.overread.pid, self.overread.http, "/dicom-web", self.overread.bearer()),
            Server(ORTHANC, self.orthanc.pid, self.orthanc.http, "/dicom-web", {}),
        )
