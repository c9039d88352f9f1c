"""Thumbnails are drawn once and kept by the read cache; those of a case's series before anybody reads it.

A thumbnail depends on nothing but the bytes of its instance: whether somebody may see it was decided before.
"""

from __future__ import annotations

import hashlib
from typing import Final

import orjson

from dicomweb.pictures import THUMBNAIL, Look
from orthanc.cache import ReadCache
from orthanc.cached import CachedInstance
from orthanc.decoder import Decoder

DRAWN_AS: Final = 1
"""To be raised when the same frame would be drawn otherwise."""
SMALL: Final = Look(THUMBNAIL)


def draw(
    cache: ReadCache, decoder: Decoder, instance: CachedInstance, number: int, media_type: str, look: Look
) -> bytes:
    """Draw a frame, counted from 1, as JPEG or PNG; a thumbnail as we make it only once. Raises as `Decoder.render`."""
    if look != SMALL:
        return decoder.render(instance, number, media_type, look)
    name = hashlib.sha256(orjson.dumps([DRAWN_AS, instance.sha256, number, media_type])).hexdigest()
    return cache.picture(name, lambda: decoder.render(instance, number, media_type, look))
