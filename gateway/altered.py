"""Images that the archive does not give back as it took them: noted where a coordinator sees it, and asked again."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from config.database import Database
from orthanc.cache import Archived, ReadCache
from orthanc.errors import AlteredInArchive, ArchiveRefused, Unreadable
from worklist.models import Instance, Study, Trouble, now
from worklist.states import TroubleKind

log = structlog.get_logger()

REASON = (
    "The archive does not give back what it took: other bytes, or none. It is asked again by itself; if this stays, "
    "look at the archive's disk, and ask the sender to send the study again."
)
AGAIN = timedelta(hours=1)  # what was seen to is said anew if it is still so
AT_ONCE = 20  # are asked for again


def note_altered(database: Database, one: Archived) -> None:
    """Write it down, once. Whoever asked for the image is told anyway, so that a database that fails is only logged."""
    log.error("the archive does not give back what it took", archive_id=one.archive_id)
    try:
        if not _is_known(database, one):
            with database.writing() as session:
                _write(session, one)
    except SQLAlchemyError as error:
        log.warning("not noted", error=type(error).__name__)


def look_again(database: Database, cache: ReadCache) -> bool:
    """Ask for what was noted: what comes as it was is an alarm no longer. False. Raises ArchiveUnavailable."""
    same = and_(Instance.sha256 == Trouble.key, Instance.sop_uid == Trouble.sop_uid)
    chosen = select(Instance.sha256, Instance.archive_id).join(Trouble, same).where(*_open()).order_by(Trouble.id)
    with database.reading() as session:
        noted = [Archived(*row) for row in session.execute(chosen.limit(AT_ONCE))]
    healed = [one.sha256 for one in noted if _is_whole(cache, one)]
    if healed:
        with database.writing() as session:
            session.execute(update(Trouble).where(*_open(), Trouble.key.in_(healed)).values(resolved_at=now()))
    return False


def _open() -> tuple[ColumnElement[bool], ...]:
    return Trouble.kind == TroubleKind.ALTERED, Trouble.resolved_at.is_(None)


def _is_whole(cache: ReadCache, one: Archived) -> bool:
    try:
        cache.get(one.sha256, one.archive_id)
    except (AlteredInArchive, ArchiveRefused, Unreadable):
        return False
    return True


def _is_known(database: Database, one: Archived) -> bool:
    with database.reading() as session:
        seen = session.scalars(select(Trouble).where(Trouble.key == one.sha256)).first()
        return seen is not None and (seen.resolved_at is None or now() - seen.resolved_at < AGAIN)


def _write(session: Session, one: Archived) -> None:
    row = session.execute(
        select(Instance.sop_uid, Study.study_uid)
        .join(Study, Study.id == Instance.study_id)
        .where(Instance.sha256 == one.sha256, Instance.archive_id == one.archive_id)
        .limit(1)
    ).first()
    if row is None:  # not recorded, or not any more
        return
    seen = session.scalars(select(Trouble).where(Trouble.key == one.sha256)).first()
    if seen is not None:
        seen.resolved_at, seen.received_at = None, now()
        return
    sop_uid, study_uid = row
    said = {"kind": TroubleKind.ALTERED, "origin": "", "reason": REASON, "key": one.sha256}
    session.add(Trouble(**said, sop_uid=sop_uid, study_uid=study_uid))
