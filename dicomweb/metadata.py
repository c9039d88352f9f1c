"""Metadata of studies, series and instances (PS3.18 sections 10.4.1.1.2 and 10.4.3.3.2).

A series is baked once per state by the read cache and sent as the gzipped bytes that lie there. Its ETag is the state,
so that asking again costs one look at the rights. XML is made from the same JSON, for the few who ask for it.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from flask import Response, request

from dicomweb.accept import MULTIPART, Offer
from dicomweb.answers import answer, etag_of
from dicomweb.holdings import Held, HeldSeries, held_series
from dicomweb.rights import current_root, current_sight
from dicomweb.services import Services
from dicomweb.target import Target, held, negotiate, note_series
from dicomweb.xml_model import XML, native_model, xml_parts
from orthanc.baking import join, one_by_one

OFFERS: Final = (Offer("application/dicom+json"), Offer("application/json"), Offer(MULTIPART, XML))
VARY_ENCODED: Final = "Accept, Accept-Encoding, Cookie"
FAST: Final = 1
"""gzip's level for what is compressed while somebody waits."""


def metadata(services: Services, target: Target) -> Response:
    """Answer with the metadata of every instance of the target, as one JSON array or an XML document for each."""
    offer = negotiate(*OFFERS)
    zipped, root = _takes_gzip(), current_root(services)
    if target.sop_uid is not None:
        (one,) = held(services, target)
        etag = etag_of("instance metadata", one.sha256, one.sop_uid, root, offer.media_type, zipped)
        return _answer(offer, etag, lambda: _of_instance(services, one, root), zipped=zipped)
    with services.database.engine.connect() as connection:
        series = held_series(connection, current_sight(), target.study_uid, target.series_uid)
        if target.series_uid is not None:
            note_series(services, connection, target, series[0])
    etag = etag_of_series(series, root, offer, zipped=zipped)
    return _answer(offer, etag, lambda: _of_series(services, series, root), zipped=zipped)


def etag_of_series(series: Sequence[HeldSeries], root: str, offer: Offer, *, zipped: bool) -> str:
    """The ETag of the metadata of series in their present state."""
    return etag_of("metadata", root, offer.media_type, zipped, [(one.series_uid, one.state) for one in series])


def _answer(offer: Offer, etag: str, bake: Callable[[], bytes], *, zipped: bool) -> Response:
    """Send gzipped bytes as they are, to a client that does not take them, what is inside."""
    if offer.part:
        return _as_xml(etag, bake)
    response = answer(
        etag, offer.media_type, lambda: [bake() if zipped else gzip.decompress(bake())], length=None, vary=VARY_ENCODED
    )
    if zipped and response.status_code == HTTPStatus.OK:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _as_xml(etag: str, bake: Callable[[], bytes]) -> Response:
    documents = [native_model(one) for one in one_by_one(bake())]
    content, body = xml_parts(documents)
    return answer(etag, content, lambda: [body], length=None, vary=VARY_ENCODED)


def _takes_gzip() -> bool:
    return request.accept_encodings.quality("gzip") > 0


def _of_instance(services: Services, one: Held, root: str) -> bytes:
    cached = services.cache.get(one.sha256, one.archive_id)
    return gzip.compress(join([cached], root), FAST, mtime=0)


def _of_series(services: Services, series: Sequence[HeldSeries], root: str) -> bytes:
    baked = [services.baked.answer(one, root) for one in series]
    if len(baked) == 1:
        return baked[0]
    every = (gzip.decompress(one)[1:-1] for one in baked)
    return gzip.compress(b"[" + b",".join(filter(None, every)) + b"]", FAST, mtime=0)
