"""The two answers that a viewer asks for by the thousand, frames and the metadata of a series, without an application.

A server's event loop asks here first. Only what is in the read cache, was found to be in sight (`dicomweb.verdicts`),
and can be sent as it lies there is answered, with the bytes and headers that the routes of `dicomweb.wado` would send;
everything else is None, and the routes answer it, whatever the answer is. For searches: `dicomweb.quick_searches`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from dicomweb.accept import Offer, accepted, choose
from dicomweb.answers import CACHE_CONTROL, VARY
from dicomweb.content import Plan, size_of
from dicomweb.frames import frame_offers
from dicomweb.heads import LARGEST, Asked, RawHeaders, Whole, is_known, raw_headers
from dicomweb.holdings import Held
from dicomweb.metadata import OFFERS, VARY_ENCODED, etag_of_series
from dicomweb.problems import Problem
from dicomweb.retrieving import frames_of, planned, wire_syntax
from dicomweb.rights import HEADERS
from dicomweb.roots import URL_PREFIX
from dicomweb.services import Access, Services
from dicomweb.verdicts import Moment, Question, Verdict
from orthanc.cached import CachedInstance
from orthanc.errors import ArchiveError, NoSuchFrame, Unreadable

_PATH: Final = re.compile(
    rf"{URL_PREFIX}(?:/cases/([1-9][0-9]{{0,8}}))?/studies/([0-9.]+)/series/([0-9.]+)"
    r"(?:/metadata|/instances/([0-9.]+)/frames/([0-9,]{1,200}))"
)


_ALWAYS: Final = raw_headers((("Cache-Control", CACHE_CONTROL), *HEADERS))
_FRAMES: Final = (*_ALWAYS, *raw_headers([("Vary", VARY)]))
_ONE_FRAME: Final = (*_FRAMES, *raw_headers([("Accept-Ranges", "bytes")]))
_METADATA: Final = (*_ALWAYS, *raw_headers([("Vary", VARY_ENCODED)]))
_GZIP: Final = raw_headers([("Content-Encoding", "gzip")])


class MustWait(Exception):
    """The answer lies on the disk: ask where waiting is allowed."""


class _Representation(NamedTuple):
    """What is sent, or is not, when its reader has it already. `content`: headers of the body."""

    etag: str
    content: RawHeaders
    headers: RawHeaders
    body: bytes | Plan
    cached: CachedInstance | None = None


class Quick:
    """Answers for one application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def answer(self, asked: Asked, *, waits: bool) -> Whole | None:
        """Return the answer if the cache has it. Without `waits` the disk is not read: raises MustWait instead."""
        match = None if asked.query else _PATH.fullmatch(asked.path)
        if match is None or "range" in asked.headers:
            return None
        case, study_uid, series_uid, sop_uid, frames = match.groups()
        verdict = self._verdict(Question(asked.asker, int(case) if case else None, study_uid, series_uid))
        if verdict is None:
            return None
        if sop_uid:
            found = self._frames(asked, verdict.instances.get(sop_uid), frames, waits=waits)
        else:
            found = self._metadata(asked, verdict)
        reply = self._whole(found, asked.headers.get("if-none-match", ""), waits=waits) if found else None
        if reply is not None:
            self._services.audit(_access(verdict, asked, study_uid, reply, frames=bool(sop_uid)))
        return reply

    def _verdict(self, question: Question) -> Verdict | None:
        """What was found of this question; of what is no UID nothing ever was."""
        return self._services.verdicts.find(question, Moment.now(self._services.database.revision()))

    def _frames(self, asked: Asked, held: Held | None, listed: str, *, waits: bool) -> _Representation | None:
        syntax = wire_syntax(held) if held else ""
        offer = _frame_offer(asked.headers.get("accept", ""), syntax, "," not in listed)
        if held is None or offer is None or offer.transfer_syntax != syntax:
            return None
        cached = self._cached(held.sha256, waits=waits)
        if cached is None:
            return None
        try:
            sending = planned(offer, *frames_of(cached, listed))
        except (NoSuchFrame, Problem):
            return None
        content = ((b"content-type", sending.content_type.encode("latin-1")),)
        return _Representation(sending.etag, content, _FRAMES if offer.part else _ONE_FRAME, sending.plan, cached)

    def _cached(self, sha256: str, *, waits: bool) -> CachedInstance | None:
        """What of this digest is open, or opens; None if the cache does not have it."""
        cached = self._services.cache.at_hand(sha256)
        if cached is not None:
            return cached
        if not waits:
            raise MustWait
        return self._services.cache.held(sha256)

    def _metadata(self, asked: Asked, verdict: Verdict) -> _Representation | None:
        offer = _json_offer(asked.headers.get("accept", ""), asked.headers.get("accept-encoding", ""))
        baked = self._services.baked.at_hand(verdict.series, verdict.root) if offer else None
        if offer is None or baked is None:
            return None
        etag = etag_of_series([verdict.series], verdict.root, offer, zipped=True)
        return _Representation(etag, ((b"content-type", offer.media_type.encode("latin-1")), *_GZIP), _METADATA, baked)

    def _whole(self, found: _Representation, seen: str, *, waits: bool) -> Whole | None:
        etag = (b"etag", f'"{found.etag}"'.encode())
        if is_known(found.etag, seen):
            return Whole(HTTPStatus.NOT_MODIFIED, (etag, *found.headers), b"")
        body = found.body if isinstance(found.body, bytes) else self._read(found.cached, found.body, waits=waits)
        if body is None:
            return None
        length = (b"content-length", b"%d" % len(body))
        return Whole(HTTPStatus.OK, (*found.content, length, etag, *found.headers), body)

    def _read(self, cached: CachedInstance | None, plan: Plan, *, waits: bool) -> bytearray | None:
        """Read a plan into one piece of memory; None if that would be large, or if the file is damaged."""
        size = size_of(plan)
        if cached is None or size > LARGEST:
            return None
        whole = bytearray(size)
        try:
            with memoryview(whole) as view:
                _fill(view, cached, plan, waits=waits)
        except BlockingIOError as error:
            raise MustWait from error
        except (OSError, ArchiveError, Unreadable):
            return None
        return whole


def _fill(out: memoryview, cached: CachedInstance, plan: Plan, *, waits: bool) -> None:
    at = 0
    for part in plan:
        length = len(part) if isinstance(part, bytes) else part[1]
        if isinstance(part, bytes):
            out[at : at + length] = part
        else:
            cached.fill(part[0], out[at : at + length], waits=waits)
        at += length


@lru_cache(maxsize=256)
def _frame_offer(accept: str, syntax: str, single: bool) -> Offer | None:
    """What the routes would choose; None where they would refuse."""
    try:
        return choose(accepted((), accept), frame_offers(syntax, single=single))
    except Problem:
        return None


@lru_cache(maxsize=256)
def _json_offer(accept: str, encodings: str) -> Offer | None:
    """As `_frame_offer`; None also for whoever does not take gzip, or wants XML."""
    if parse_accept_header(encodings, Accept).quality("gzip") <= 0:
        return None
    try:
        offer = choose(accepted((), accept), OFFERS)
    except Problem:
        return None
    return None if offer.part else offer


def _access(verdict: Verdict, asked: Asked, study_uid: str, answer: Whole, *, frames: bool) -> Access:
    viewer = verdict.sight.viewer
    return Access(
        person_id=viewer.person_id or None,
        action="retrieve_frames" if frames else "series_metadata",
        study_uid=study_uid,
        series_uid=verdict.series.series_uid,
        case_id=verdict.sight.case_id,
        status=answer.status,
        address=asked.address,
        link_id=viewer.link.link_id if viewer.link else None,
    )
