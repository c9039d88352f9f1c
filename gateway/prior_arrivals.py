"""An earlier study that its archive says it has sent is here when its images are in our own archive, and not before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from config.database import Database
from gateway.due import Due
from gateway.prior_search import MOST_ATTEMPTS
from scp.inbox import Inbox
from worklist.models import Prior, Trouble, now
from worklist.priors import images_here, newest_image_at
from worklist.states import PriorState, TroubleKind

log = structlog.get_logger()
PATIENCE = timedelta(seconds=60)
"""So long after the last image, or after the archive said that it had sent all, it is waited for more."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """Looks after studies on their way; `due` gives those that must be asked for again their pause."""

    database: Database
    inbox: Inbox
    due: Due
    patience: timedelta = PATIENCE

    def step(self) -> bool:
        """Look at all of them; False: look again later."""
        with self.database.reading() as session:
            coming = session.scalars(select(Prior.id).where(Prior.state == PriorState.COMING)).all()
        for prior_id in coming:
            self._look(prior_id)
        return False

    def soonest(self) -> float:
        """What is on its way is looked at after each pause; else nothing is due by the clock."""
        with self.database.reading() as session:
            coming = session.scalar(select(Prior.id).where(Prior.state == PriorState.COMING).limit(1))
        return 0.0 if coming is not None else float("inf")

    def _look(self, prior_id: int) -> None:
        with self.database.writing() as session:
            prior = session.get_one(Prior, prior_id, with_for_update=True)
            if prior.state is not PriorState.COMING:
                return
            here, aside = images_here(session, [prior]).get(prior.study_uid, 0), _kept_aside(session, prior)
            lacking = max((prior.images or 0) - here - aside, 0)
            if lacking <= prior.lacking:
                prior.state, prior.last_error = PriorState.DONE, _said(prior.lacking, aside)
                prior.next_attempt_at = None
            elif self._waited(session, prior):
                self._again(prior, lacking)

    def _waited(self, session: Session, prior: Prior) -> bool:
        oldest, moments = self.inbox.backlog().oldest_at, [prior.sent_at, newest_image_at(session, prior)]
        last = max(moment for moment in moments if moment is not None)
        return last <= now() - self.patience and (oldest is None or oldest > last)

    def _again(self, prior: Prior, lacking: int) -> None:
        total = prior.images or 0
        prior.last_error = (
            f"The archive says that it sent the study, but {lacking:,} of {total:,} images did not arrive here. "
            "By C-MOVE it must know our AE title, address and port, and send under an AE title that may send to us."
        )
        log.warning("an earlier study did not arrive", prior=prior.id, lacking=lacking, images=total)
        prior.state = PriorState.NEEDS_PERSON if prior.attempts >= MOST_ATTEMPTS else PriorState.WANTED
        prior.next_attempt_at = now() + self.due.pause(prior.attempts)


def _kept_aside(session: Session, prior: Prior) -> int:
    of_study = (Trouble.origin == prior.origin, Trouble.study_uid == prior.study_uid, Trouble.resolved_at.is_(None))
    aside = select(func.count(Trouble.id)).where(*of_study, Trouble.kind == TroubleKind.QUARANTINED)
    return session.scalar(aside) or 0


def _said(lacking: int, aside: int) -> str:
    told = [f"{lacking:,} of its images could not be sent by the archive." if lacking else "",
            f"{aside:,} of its images are kept aside: see the quarantine." if aside else ""]  # fmt: skip
    return " ".join(filter(None, told))
