"""What the receiver knows of an object at the door: that it was kept, or that it was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

UPLOAD = "upload"
"""The sender of an object that came by the browser instead of an association."""

DICOMWEB = "DICOMweb"
"""The sender of an object that a site's program or person stored by STOW-RS."""

FETCHED = "fetched"
"""What `Arrival.fetched` says of an instance of an earlier study that we asked its archive for."""

VIEWER = "viewer"
"""The sender of an object that a reader made in the viewer."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One kept instance: whose it is, who sent it, and what it says it is.

    `origin` decides every later right (`site:<id>`, `case:<id>`, `self-test`); it comes from our own peer book or
    session, never from the object. `sender` is the calling AE title, `UPLOAD`, `DICOMWEB` or `VIEWER`. The UIDs have
    been checked for syntax by `scp.screen`. `received_at` is aware and in UTC. `made_by` is the number of the person
    who made the object in the viewer, "" for what was sent. `fetched` is FETCHED for what we asked an archive for.
    """

    origin: str
    sender: str
    sop_class_uid: str
    sop_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax: str
    received_at: datetime
    made_by: str = ""
    fetched: str = ""

    def fields(self) -> dict[str, str]:
        """The fields as text, for JSON."""
        told: dict[str, str] = {name: getattr(self, name) for name in _TEXTS}  # asdict() costs 12 times as much
        return told | {"received_at": self.received_at.isoformat()}

    @classmethod
    def from_fields(cls, told: Mapping[str, str]) -> Arrival:
        """Read what `fields` gave. Raises KeyError, TypeError, ValueError."""
        rest = {name: text for name, text in told.items() if name != "received_at"}
        return cls(**rest, received_at=datetime.fromisoformat(told["received_at"]))


@dataclass(frozen=True, slots=True)
class Refusal:
    """One object that was not kept, in words for the coordinator.

    `status` is the DIMSE status that the sender was given. `study_uid` and `series_uid` are what the object itself
    says, as far as it was read, and well-formed; `sop_uid` too, else what was announced: printable, at most 64
    characters and otherwise unchecked. `origin` alone says whose it is. An unknown one is empty.
    """

    origin: str
    sender: str
    reason: str
    status: int
    sop_class_uid: str
    sop_uid: str
    study_uid: str
    received_at: datetime
    series_uid: str = ""


_TEXTS = tuple(one.name for one in fields(Arrival) if one.name != "received_at")
