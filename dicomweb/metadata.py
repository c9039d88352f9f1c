"""Metadata of studies, series and instances (PS3.18 sections 10.4.1.1.2 and 10.4.3.3.2).

A series is baked once per state by the read cache and sent as the gzipped bytes that lie there. Its ETag is the state,
so that asking again costs one look at the rights.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Final

import orjson
from flask import Response, request

from dicomweb.accept import Offer
from dicomweb.answers import answer, etag_of
from dicomweb.holdings import Held, HeldSeries, archived_instances, held_series
from dicomweb.rights import current_viewer
from dicomweb.services import Services
from dicomweb.target import Target, held, negotiate
from orthanc.baking import SeriesKey, join
from orthanc.cache import Archived
from orthanc.metadata import Json

JSON_OFFERS: Final = (Offer("application/dicom+json"), Offer("application/json"))
VARY: Final = "Accept, Accept-Encoding"
SOP_INSTANCE_UID: Final = "00080018"
INSTANCE_NUMBER: Final = "00200013"
FAST: Final = 1
"""gzip's level for what is compressed while somebody waits."""


def metadata(services: Services, target: Target) -> Response:
    """Answer with the metadata of every instance of the target, as one JSON array."""
    offer = negotiate(*JSON_OFFERS)
    zipped = _takes_gzip()
    if target.sop_uid is not None:
        (one,) = held(services, target)
        etag = etag_of("instance metadata", one.sha256, one.sop_uid, services.base_url(), offer.media_type, zipped)
        return _answer(offer, etag, lambda: _of_instance(services, one), zipped=zipped)
    with services.database.engine.connect() as connection:
        series = held_series(connection, current_viewer(), target.study_uid, target.series_uid)
    states = [(one.series_uid, one.states) for one in series]
    etag = etag_of("metadata", services.base_url(), offer.media_type, zipped, states)
    return _answer(offer, etag, lambda: _of_series(services, series), zipped=zipped)


def _answer(offer: Offer, etag: str, bake: Callable[[], bytes], *, zipped: bool) -> Response:
    """Send gzipped bytes as they are, to a client that does not take them, what is inside."""
    response = answer(
        etag, offer.media_type, lambda: [bake() if zipped else gzip.decompress(bake())], length=None, vary=VARY
    )
    if zipped and response.status_code == HTTPStatus.OK:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _takes_gzip() -> bool:
    return request.accept_encodings.quality("gzip") > 0


def _of_instance(services: Services, one: Held) -> bytes:
    cached = services.cache.get(one.sha256, one.archive_id)
    return gzip.compress(join([cached], services.base_url()), FAST, mtime=0)


def _of_series(services: Services, series: Sequence[HeldSeries]) -> bytes:
    if len(series) == 1:
        return _baked(services, series[0])
    every = (gzip.decompress(_baked(services, one))[1:-1] for one in series)
    return gzip.compress(b"[" + b",".join(filter(None, every)) + b"]", FAST, mtime=0)


def _baked(services: Services, series: HeldSeries) -> bytes:
    """Return a series' metadata gzipped; a series from several origins is put together from those of its rows."""
    baked = [_baked_row(services, series.series_uid, row, version) for row, version in series.states]
    return baked[0] if len(baked) == 1 else _merged(baked)


def _baked_row(services: Services, series_uid: str, row: int, version: int) -> bytes:
    key = SeriesKey(row, series_uid, version, services.base_url())
    return services.cache.series_metadata(key, _archived(services, row))


def _archived(services: Services, row: int) -> Iterator[Archived]:
    """Look up a series' instances when, and only when, somebody asks for them."""
    with services.database.reading() as session:
        instances = archived_instances(session, row)
    yield from instances


def _merged(baked: Iterable[bytes]) -> bytes:
    """Put the same series from several origins together: every instance once, from the first that has it."""
    once: dict[str, Json] = {}
    for instances in map(orjson.loads, map(gzip.decompress, baked)):
        for one in instances:
            once.setdefault(str(one.get(SOP_INSTANCE_UID, {}).get("Value")), one)
    return gzip.compress(orjson.dumps(sorted(once.values(), key=_number)), FAST, mtime=0)


def _number(instance: Json) -> tuple[bool, float]:
    value = next(iter(instance.get(INSTANCE_NUMBER, {}).get("Value", ())), None)
    return (False, value) if isinstance(value, int | float) else (True, 0)
