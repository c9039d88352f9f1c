"""How a report reaches a receiver: by DICOM's own protocol, or by DICOMweb. Both promise and refuse alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ssl import SSLContext
from typing import Protocol, Self

from config.settings import Settings
from gateway.credentials import Safe, Unopened
from gateway.dicom_tls import for_calls, for_web
from gateway.installation import Folders, read_secrets
from gateway.web_receiver import WebReceiver
from scp.sender import HURRIED, Endpoint, Failure, PeerRefused, Sender
from worklist.models import Peer


class Way(Protocol):
    """To one receiver. Everything raises PeerUnavailable (try again) or PeerRefused (a person must look)."""

    def echo(self) -> None:
        """Return if it answers."""

    def send(self, part10s: Sequence[bytes]) -> object:
        """Return if it says that it stored every object."""

    def has_instances(self, study_uid: str, sop_uids: Sequence[str]) -> bool:
        """Whether a query shows them all."""


@dataclass(frozen=True, slots=True)
class DicomWay:
    """By C-ECHO, C-STORE and C-FIND."""

    sender: Sender
    endpoint: Endpoint

    def __str__(self) -> str:
        return str(self.endpoint)

    def echo(self) -> None:
        """As Way."""
        self.sender.echo(self.endpoint)

    def takes_queries(self) -> bool:
        """Whether it accepts C-FIND from us."""
        return self.sender.takes_queries(self.endpoint)

    def send(self, part10s: Sequence[bytes]) -> object:
        """As Way."""
        return self.sender.send(self.endpoint, part10s)

    def has_instances(self, study_uid: str, sop_uids: Sequence[str]) -> bool:
        """As Way."""
        return self.sender.has_instances(self.endpoint, study_uid, sop_uids)


@dataclass(frozen=True, slots=True)
class Ways:
    """To every receiver; `timeout` (seconds for each answer) and `tls` are for DICOMweb, `sender` has its own."""

    sender: Sender
    safe: Safe
    tls: SSLContext
    timeout: float

    def to(self, peer: Peer) -> Way:
        """The way to one receiver. Raises PeerRefused when what it wants to know of us cannot be opened."""
        if not peer.base_url:
            return DicomWay(self.sender, Endpoint(peer.ae_title, peer.host, peer.port, tls=peer.tls))
        try:
            known = self.safe.open(peer.access, peer.base_url)
        except Unopened as error:
            told = f"Our credentials for {peer.base_url} were sealed elsewhere. Enter them again."
            raise PeerRefused(told, Failure.LOGIN) from error
        return WebReceiver(peer.base_url, known, self.timeout, self.tls)

    def hurried(self) -> Self:
        """The same, with little patience for a receiver that may not be there: others wait meanwhile."""
        return replace(self, sender=self.sender.hurried(), timeout=min(self.timeout, HURRIED))

    def patient(self, seconds: float) -> Self:
        """The same, with this much patience for each step: somebody waits."""
        return replace(self, sender=replace(self.sender, timeout=seconds, opening=seconds), timeout=seconds)


def ways_of(settings: Settings) -> Ways:
    """The ways of one installation. Raises ConfigurationError for certificates that cannot be used."""
    tls, timeout = settings.dicom.tls, settings.delivery.timeout
    sender = Sender(settings.dicom.ae_title, timeout, for_calls(tls))
    return Ways(sender, Safe.of(read_secrets(Folders(settings.data))), for_web(tls), timeout)
