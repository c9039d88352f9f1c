"""What became of the images that a patient uploaded, once ingest has decided."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worklist.models import Case, Instance, Series, Study, Trouble
from worklist.states import TroubleKind
from worklist.troubles import Decision


@dataclass(frozen=True, slots=True)
class Fate:
    """How many images are in the request, still on their way into it, and kept aside."""

    archived: int
    checking: int
    aside: int


def fate_of(session: Session, case: Case, checking: int) -> Fate:
    """Count them. An image that was tried more than once was kept aside once."""
    origin = f"case:{case.id}"
    archived = select(func.count()).select_from(Instance).join(Series).join(Study, Study.id == Series.study_id)
    aside = select(func.count(Trouble.sop_uid.distinct())).where(
        Trouble.kind == TroubleKind.QUARANTINED, Trouble.decision != Decision.ACCEPTED
    )
    return Fate(
        archived=session.scalar(archived.where(Study.origin == origin, Series.ours.is_(False))) or 0,
        checking=checking,
        aside=session.scalar(aside.where(Trouble.origin == origin)) or 0,
    )
