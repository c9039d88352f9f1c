"""How many images has the sender? Where a site's own archive can be asked, it is, before its study is settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from config.database import Database
from scp.sender import Endpoint, PeerRefused, PeerUnavailable, Sender
from worklist.models import Peer, Study, now
from worklist.states import Retrieval

log = structlog.get_logger()
LONGEST_PAUSE: Final = 2.0
"""Seconds without an image after which the sender is asked; half the quiet time if that is shorter."""


@dataclass(frozen=True, slots=True)
class Expecting:
    """Asks about studies that are about to be settled, one by one. A sender without an answer holds nothing up."""

    database: Database
    sender: Sender
    quiet_seconds: float

    def step(self) -> bool:
        """Ask about one study; False if there is none to ask about."""
        with self.database.reading() as session:
            found = self._next(session)
        if found is None:
            return False
        study, peer = found
        values = {"asked_version": study.version} | self._answer(study, peer)
        with self.database.writing() as session:
            session.execute(update(Study).where(Study.id == study.id).values(**values))
        return True

    def _next(self, session: Session) -> tuple[Study, Peer] | None:
        pause = timedelta(seconds=min(LONGEST_PAUSE, self.quiet_seconds / 2))
        due = select(Study).where(
            Study.settled.is_(False), Study.asked_version < Study.version, Study.last_at <= now() - pause
        )
        for study in session.scalars(due.order_by(Study.last_at).limit(50)):
            peer = _peer_to_ask(session, study)
            if peer is not None:
                return study, peer
        return None

    def _answer(self, study: Study, peer: Peer) -> dict[str, int | None]:
        try:
            endpoint = Endpoint(peer.ae_title, peer.host, peer.port, tls=peer.tls)
            counted = self.sender.count_instances(endpoint, study.study_uid)
        except (PeerUnavailable, PeerRefused) as error:
            log.info("the sender was asked for its count in vain", peer=peer.ae_title, error=str(error))
            return {}
        return {"expected": counted}


def _peer_to_ask(session: Session, study: Study) -> Peer | None:
    """The site's archive, if it answers queries: the one by whose query a delivery is proven, or that has priors."""
    owner, _, number = study.origin.partition(":")
    if owner != "site":
        return None
    answers = or_(Peer.proof == "query", Peer.retrieval != Retrieval.NONE)
    asked = select(Peer).where(Peer.site_id == int(number), answers, Peer.host != "").order_by(Peer.id)
    return session.scalars(asked).first()
