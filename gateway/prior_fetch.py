"""Earlier studies come from the archive of their site into the inbox, one study after the other, until all is here."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from config.database import Database
from gateway.archives import Archives, RemoteArchive
from gateway.due import Due
from gateway.prior_search import MOST_ATTEMPTS
from scp.asked import CalledOff, Listed, Wanted
from scp.sender import PeerRefused, PeerUnavailable
from worklist.cases import SETTLED
from worklist.models import Peer, Prior, now
from worklist.prior_rules import PriorRules
from worklist.priors import archive_of, sop_uids_here
from worklist.states import PriorState

log = structlog.get_logger()
LOOK_EVERY = 2.0  # seconds: so soon what was called off is not fetched on


class OurDisk(Exception):
    """What came was not kept: try again."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One study that is fetched; `peer` is the archive. `here`: those of its images that are in our own."""

    prior_id: int
    study_uid: str
    origin: str
    peer: Peer | None
    here: frozenset[str]
    attempts: int


@dataclass(frozen=True, slots=True)
class Fetching:
    """Takes studies that are due, one at a time; any number of workers may share the work."""

    database: Database
    archives: Archives
    rules: PriorRules
    due: Due
    _halted: Event = field(default_factory=Event)

    def step(self) -> bool:
        """Fetch one study; False if none is due."""
        prior_id = self.due.claim()
        if prior_id is None:
            return False
        with self.due.held(prior_id):
            errand = self._errand(prior_id)
            if errand is not None:
                self._run(errand)
        self._let_go(Prior.id == prior_id, Prior.state != PriorState.WANTED)
        return True

    def halt(self) -> None:
        """The worker stops: what is being fetched is fetched again after its lease."""
        self._halted.set()

    def _let_go(self, *which: ColumnElement[bool]) -> None:
        """What is not fetched on lets the next study of its site be fetched at once."""
        with self.database.writing() as session:
            session.execute(
                update(Prior).where(*which).values(lease_until=None).execution_options(synchronize_session=False)
            )

    def _errand(self, prior_id: int) -> Errand | None:
        """What is to be fetched; None, and called off, once the case needs it no more."""
        with self.database.writing() as session:
            prior = session.get_one(Prior, prior_id)
            if prior.search.case.state in SETTLED:
                prior.state, prior.next_attempt_at = PriorState.CANCELLED, None
                return None
            here = sop_uids_here(session, prior)
            peer = archive_of(session, prior.search.site_id)
            return Errand(prior.id, prior.study_uid, prior.origin, peer, here, prior.attempts)

    def _run(self, errand: Errand) -> None:
        try:
            self._fetch(errand, self.archives.of(errand.peer))
        except CalledOff:
            log.info("an earlier study is not fetched on", prior=errand.prior_id)
            if not self._halted.is_set():
                self._let_go(Prior.id == errand.prior_id)  # it may be wanted again already
        except PeerUnavailable as error:
            self._put_off(errand, error, PriorState.NEEDS_PERSON if errand.attempts >= MOST_ATTEMPTS else None)
            self._let_others_wait(errand)
        except PeerRefused as error:
            self._put_off(errand, error, PriorState.NEEDS_PERSON)
        except OSError as error:
            self._put_off(errand, OurDisk(f"Our own disk does not take it just now: {error.strerror}."), None)

    def _fetch(self, errand: Errand, archive: RemoteArchive) -> None:
        listed = archive.instances_of(errand.study_uid)
        self._require_reasonable(listed)
        with self.database.writing() as session:
            _write(session, errand.prior_id, images=len(listed))
        goes_on = self._goes_on(errand.prior_id)
        wanted = Wanted(errand.study_uid, errand.origin, listed, goes_on, errand.here)
        lacking = archive.fetch(wanted) if wanted.sop_uids - errand.here else 0
        if lacking == len(listed):
            raise PeerUnavailable("The archive lists the images of this study, but could send none of them.")
        with self.database.writing() as session:
            values = {"state": PriorState.COMING, "sent_at": now(), "lease_until": None, "last_error": ""}
            _write(session, errand.prior_id, lacking=lacking, **values)

    def _require_reasonable(self, listed: tuple[Listed, ...]) -> None:
        if not listed:
            raise PeerRefused("The archive showed this study, but shows no image of it.")
        if len(listed) > self.rules.most_images:
            most = f"{self.rules.most_images:,}"
            raise PeerRefused(f"{len(listed):,} images are more than are fetched of one study ({most}).")

    def _goes_on(self, prior_id: int) -> Callable[[], bool]:
        """Asked at each image and between two, looks into the database now and then."""
        seen, due = [True], [time.monotonic() + LOOK_EVERY]

        def goes_on() -> bool:
            if time.monotonic() >= due[0]:
                due[0] = time.monotonic() + LOOK_EVERY
                with suppress(OperationalError), self.database.reading() as session:  # it is away: asked again soon
                    state = session.scalar(select(Prior.state).where(Prior.id == prior_id))
                    seen[0] = state is PriorState.WANTED
            return seen[0] and not self._halted.is_set()

        return goes_on

    def _put_off(self, errand: Errand, error: Exception, state: PriorState | None) -> None:
        log.warning("an earlier study put off", prior=errand.prior_id, error=str(error))
        self.due.put_off(errand.prior_id, str(error), state)

    def _let_others_wait(self, errand: Errand) -> None:
        """The archive of this site does not answer: its other studies wait as long."""
        again = select(Prior.next_attempt_at).where(Prior.id == errand.prior_id).scalar_subquery()
        others = (Prior.origin == errand.origin, Prior.state == PriorState.WANTED, Prior.next_attempt_at < again)
        with self.database.writing() as session:
            session.execute(
                update(Prior).where(*others).values(next_attempt_at=again).execution_options(synchronize_session=False)
            )


def _write(session: Session, prior_id: int, **values: object) -> None:
    """As long as it is wanted: it may have been called off meanwhile."""
    wanted = (Prior.id == prior_id, Prior.state == PriorState.WANTED)
    session.execute(update(Prior).where(*wanted).values(**values).execution_options(synchronize_session=False))
