"""Pictures for people: rendered instances and frames, thumbnails, and a PDF as itself (PS3.18 section 10.4.1.1.3).

Decoded by `orthanc.decoder`, in a process that a bad object may end; nothing is burned into a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flask import Response

from dicomweb.accept import MULTIPART, Offer
from dicomweb.answers import answer, etag_of
from dicomweb.frames import frame_numbers
from dicomweb.holdings import Held
from dicomweb.multipart import boundary_of, content_type, parts
from dicomweb.pictures import THUMBNAIL, Look, look_of, representative
from dicomweb.problems import bad_request, not_acceptable
from dicomweb.retrieving import DOCUMENT, PDF, send
from dicomweb.rights import current_query
from dicomweb.services import Services
from dicomweb.target import Target, held, negotiate
from dicomweb.thumbnails import draw, middle_frame
from orthanc.cached import CachedInstance

SINGLE_OFFERS: Final = (Offer("image/jpeg"), Offer("image/png"), Offer("image/gif"), Offer(MULTIPART, "image/jpeg"))
"""Table 8.7.4-1: the default, and what must be had beside it."""

MANY_OFFERS: Final = (Offer(MULTIPART, "image/jpeg"), Offer(MULTIPART, "image/png"))
MOST_PICTURES: Final = 64


def rendered(services: Services, target: Target) -> Response:
    """Send one picture of an instance, a series or a study; an encapsulated PDF as it is."""
    look = look_of(current_query(), None)
    one = _chosen(services, target)
    cached = services.cache.get(one.sha256, one.archive_id)
    if cached.index.document_type == PDF:
        identity = ("rendered", one.sha256)
        return send(cached, negotiate(Offer(PDF)), [cached.bulk(DOCUMENT).pieces], identity)
    return _picture(services, one, [_shown(cached)], look)


def rendered_frame(services: Services, target: Target) -> Response:
    """Send pictures of frames, each as a part of its own if there are more than one."""
    numbers = frame_numbers(target.frames)
    if len(numbers) > MOST_PICTURES:
        raise bad_request(f"More than {MOST_PICTURES} pictures are asked for at once.")
    look = look_of(current_query(), None)
    (one,) = held(services, target)
    return _picture(services, one, numbers, look)


def thumbnail(services: Services, target: Target) -> Response:
    """Send one small picture of whatever it is."""
    look = look_of(current_query(), THUMBNAIL)
    one = _chosen(services, target)
    cached = services.cache.get(one.sha256, one.archive_id)
    number = frame_numbers(target.frames)[0] if target.frames else _shown(cached)
    return _picture(services, one, [number], look)


def _chosen(services: Services, target: Target) -> Held:
    instances = held(services, target)
    return instances[0] if target.sop_uid is not None else representative(instances)


def _shown(cached: CachedInstance) -> int:
    """Return the frame that stands for an instance; one without is there, but not as a picture."""
    if not cached.frame_count:
        raise not_acceptable("There is no picture in this.")
    return middle_frame(cached)


def _picture(services: Services, one: Held, numbers: Sequence[int], look: Look) -> Response:
    """Answer with pictures of frames; all of them are made before anything is sent."""
    offer = negotiate(*(SINGLE_OFFERS if len(numbers) == 1 else MANY_OFFERS))
    identity = ("picture", one.sha256, *map(str, numbers), str(look))
    boundary = boundary_of(*identity)

    def body() -> list[bytes]:
        cached = services.cache.get(one.sha256, one.archive_id)
        pictures = [[draw(services.cache, services.decoder, cached, number, offer.content, look)] for number in numbers]
        return list(parts(boundary, ((offer.part, one) for one in pictures))) if offer.part else pictures[0]

    kind = content_type(offer.part, boundary) if offer.part else offer.media_type
    return answer(etag_of(*identity, offer), kind, body, length=None)
