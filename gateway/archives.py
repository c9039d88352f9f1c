"""A site's archive, however it is reached: what it shows of a patient, and having it send a study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from config.settings import Settings
from gateway.credentials import Unopened
from gateway.installation import Folders
from gateway.ways import Ways
from gateway.web_archive import WebArchive
from gateway.web_peer import WebPeer
from scp.asked import FoundStudy, Listed, Patient, Wanted
from scp.inbox import Inbox
from scp.requesting import Endpoint, Failure, Patience, PeerRefused
from scp.retrieving import DicomArchive, Intake
from worklist.models import Peer
from worklist.priors import NO_ARCHIVE
from worklist.states import Retrieval


class RemoteArchive(Protocol):
    """Everything raises PeerUnavailable (try again) or PeerRefused (a person must look)."""

    def test(self) -> None:
        """Return if it takes a query from us, and offers what we fetch by."""

    def studies_of(self, patient: Patient) -> list[FoundStudy]:
        """Every study that it shows under this Patient ID."""

    def instances_of(self, study_uid: str) -> tuple[Listed, ...]:
        """Every instance that it shows of this study."""

    def fetch(self, wanted: Wanted) -> int:
        """Have one study sent; return how many of its instances it could not send. Raises CalledOff."""


@dataclass(frozen=True, slots=True)
class Archives:
    """The way to every site's archive; `patience` for each, `spool` for what comes by the web."""

    ways: Ways
    intake: Intake
    patience: Patience
    spool: Path

    def of(self, peer: Peer | None) -> RemoteArchive:
        """One archive. Raises PeerRefused where none is entered, or what it wants to know of us cannot be opened."""
        if peer is None:
            raise PeerRefused(NO_ARCHIVE)
        if peer.base_url:
            return self._by_web(peer)
        endpoint = Endpoint(peer.ae_title, peer.host, peer.port, tls=peer.tls)
        sender, moves = self.ways.sender, peer.retrieval == Retrieval.MOVE
        return DicomArchive(endpoint, sender.ae_title, self.patience, sender.tls, moves, self.intake)

    def patient(self, seconds: float) -> Self:
        """The same, with this much patience for each step: somebody waits."""
        return replace(self, patience=Patience(seconds, seconds, 4 * seconds))

    def _by_web(self, peer: Peer) -> RemoteArchive:
        try:
            known = self.ways.safe.open(peer.access, peer.base_url)
        except Unopened as error:
            told = f"Our credentials for {peer.base_url} were sealed elsewhere. Enter them again."
            raise PeerRefused(told, Failure.LOGIN) from error
        web = WebPeer(peer.base_url, known, self.patience.answering, self.ways.tls)
        return WebArchive(web, self.patience.in_all, self.intake, self.spool)


def archives_of(settings: Settings, ways: Ways, inbox: Inbox) -> Archives:
    """The archives of one installation."""
    patience = Patience(settings.priors.timeout, settings.priors.timeout, settings.priors.study_seconds)
    folders = Folders(settings.data)
    intake = Intake(inbox, folders.counters, settings.dicom.max_object_bytes)
    return Archives(ways, intake, patience, folders.uploads)
