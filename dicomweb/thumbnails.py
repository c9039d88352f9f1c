"""Thumbnails are drawn once and kept by the read cache; those of a case's series before anybody reads it.

A thumbnail depends on nothing but the bytes of its instance: whether somebody may see it was decided before.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson

from config.database import Database
from dicomweb.holdings import HeldSeries, instances_of_row
from dicomweb.pictures import THUMBNAIL, Look, representative
from dicomweb.problems import Problem
from orthanc.cache import ReadCache
from orthanc.cached import CachedInstance
from orthanc.decoder import Decoder
from orthanc.errors import NoSuchFrame, Undecodable

DRAWN_AS: Final = 1
"""To be raised when the same frame would be drawn otherwise."""
SMALL: Final = Look(THUMBNAIL)


def draw(
    cache: ReadCache, decoder: Decoder, instance: CachedInstance, number: int, media_type: str, look: Look
) -> bytes:
    """Draw a frame, counted from 1, in this form; a thumbnail as we make it only once. Raises as `Decoder.render`."""
    if look != SMALL:
        return decoder.render(instance, number, media_type, look)
    name = hashlib.sha256(orjson.dumps([DRAWN_AS, instance.sha256, number, media_type])).hexdigest()
    return cache.picture(name, lambda: decoder.render(instance, number, media_type, look))


def middle_frame(instance: CachedInstance) -> int:
    """Return the frame that stands for an instance; 1 also where frames cannot be had one by one."""
    return max(1, instance.frame_count) // 2 + 1


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Draws thumbnails ahead."""

    cache: ReadCache
    database: Database
    decoder: Decoder

    def draw(self, series: HeldSeries) -> None:
        """Have the JPEG that stands for a series; nothing for what has no picture. Raises DecoderBusy, as `get`."""
        with self.database.engine.connect() as connection:
            instances = list(instances_of_row(connection, series.row).values())
        with suppress(Problem, NoSuchFrame, Undecodable):
            one = representative(instances)
            cached = self.cache.get(one.sha256, one.archive_id)
            draw(self.cache, self.decoder, cached, middle_frame(cached), "image/jpeg", SMALL)
