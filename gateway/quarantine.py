"""The objects that were kept aside: shown beside what stands against them, and carried back when they are accepted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import orjson
import structlog
from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select
from sqlalchemy.orm import Session

from config.database import Database
from config.keys import KeyMissing, KeysUnusable
from dicomweb.pictures import Look
from orthanc.cache import ReadCache
from orthanc.cached import CachedInstance
from orthanc.decoder import Decoder
from orthanc.differences import Difference, differences
from orthanc.errors import ArchiveError, NoSuchBulk, NoSuchFrame, Undecodable, Unreadable
from orthanc.windows import own_window
from scp.inbox import Damaged, Inbox
from worklist.models import Instance, Series, Study, Trouble
from worklist.troubles import carried, to_carry

log = structlog.get_logger()

PIXELS: Final = "7FE00010"
LOOK: Final = Look(size=(512, 512))
AT_ONCE: Final = 200
FAR: Final = 2**31  # beyond every number


class NotAtHand(Exception):
    """The object, or its picture, cannot be shown here; the message says why."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An object beside what is in its study: another version of it, else any image of the study, else nothing.

    `same_pixels` is None where there is nothing to compare, or no pixels.
    """

    aside: CachedInstance
    kept: CachedInstance | None
    of_one_instance: bool
    differences: tuple[Difference, ...]
    same_pixels: bool | None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The folder of what was kept aside, with what is needed to look into it."""

    database: Database
    inbox: Inbox
    cache: ReadCache
    decoder: Decoder
    folder: Path

    def compare(self, one: Trouble) -> Comparison:
        """Read the object and look for what it contradicts. Raises NotAtHand."""
        aside = self._aside(one)
        row, of_one_instance = self._counterpart(one)
        kept = self._kept(row) if row is not None else None
        if kept is None:
            return Comparison(aside, None, False, (), None)
        told = differences(kept.metadata, aside.metadata, of_one_instance=of_one_instance)
        same = _pixels(kept) == _pixels(aside) if of_one_instance and _pixels(kept) else None
        return Comparison(aside, kept, of_one_instance, told, same)

    def picture(self, one: Trouble, *, kept: bool) -> bytes:
        """A PNG of the object, or of what stands against it, both through one window. Raises NotAtHand."""
        row, _ = self._counterpart(one)
        ours, theirs = self._kept(row) if row is not None else None, self._aside(one)
        image = ours if kept else theirs
        if image is None:
            raise NotAtHand("There is nothing to compare it with.")
        look = replace(LOOK, window=(_window(ours) if ours else None) or _window(theirs))
        try:
            return self.decoder.render(image, max(1, image.frame_count) // 2 + 1, "image/png", look)
        except (NoSuchFrame, Undecodable) as error:
            raise NotAtHand(f"It has no picture: {error}") from error

    def carry(self) -> bool:
        """Bring accepted objects back into the inbox, where ingest takes them; False if there are none."""
        with self.database.reading() as session:
            accepted = to_carry(session, AT_ONCE)
        if not accepted:
            return False
        for one in accepted:
            path = self.folder / one.file
            if path.exists():  # else it went back before we could note it
                self.inbox.put_back(path)
        with self.database.writing() as session:
            carried(session, [one.id for one in accepted])
        return True

    def _aside(self, one: Trouble) -> CachedInstance:
        try:
            stored = self.inbox.read_aside(self.folder / one.file)
            return self.cache.put(stored.sha256, stored.part10)
        except FileNotFoundError as error:
            raise NotAtHand("The object lies on another machine of this installation.") from error
        except (Damaged, Unreadable, KeyMissing, KeysUnusable) as error:
            raise NotAtHand(f"The object cannot be read: {error}") from error

    def _counterpart(self, one: Trouble) -> tuple[Instance | None, bool]:
        with self.database.reading() as session:
            same = session.scalars(_of_study(one).where(Instance.sop_uid == one.sop_uid)).first()
            return (same, True) if same is not None else (_any(session, one), False)

    def _kept(self, row: Instance) -> CachedInstance | None:
        try:
            return self.cache.get(row.sha256, row.archive_id)
        except (ArchiveError, Unreadable) as error:
            log.warning("nothing to compare with", sop_uid=row.sop_uid, error=str(error))
            return None


def _of_study(one: Trouble) -> Select[Instance]:
    return (
        select(Instance)
        .join(Study, Study.id == Instance.study_id)
        .where(Study.origin == one.origin, Study.study_uid == one.study_uid)
    )


def _any(session: Session, one: Trouble) -> Instance | None:
    """A picture rather than a document, of the same series number and the nearest image number."""
    nearest = _of_study(one).join(Series, Series.id == Instance.series_id)
    order = (
        Instance.rows == 0,
        _distance(Series.number.expression, one.series_number),
        _distance(Instance.number.expression, one.instance_number),
        Instance.id,
    )
    return session.scalars(nearest.order_by(*order).limit(1)).first()


def _distance(column: ColumnElement[int | None], number: int | None) -> ColumnElement[int]:
    return func.coalesce(func.abs(cast(column, BigInteger) - (number or 0)), FAR)


def _window(image: CachedInstance) -> tuple[float, float, str] | None:
    """Its first one; of colour there is none, and a table of values is left to each of the two."""
    return own_window(orjson.loads(image.metadata))


def _pixels(image: CachedInstance) -> str:
    """The digest of the pixel data as encoded; "" if there is none."""
    try:
        pieces = image.bulk(PIXELS).pieces
    except NoSuchBulk:
        return ""
    digest = hashlib.sha256()
    for piece in image.stream(pieces):
        digest.update(piece)
    return digest.hexdigest()
