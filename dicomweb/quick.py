"""The two answers that a viewer asks for by the thousand, frames and the metadata of a series, without an application.

A server's event loop asks here first. Only what is at hand in memory, was found to be in sight (`dicomweb.verdicts`),
and can be sent as it lies there is answered, with the bytes and headers that the routes of `dicomweb.wado` would send;
everything else is None, and the routes answer it, whatever the answer is. For searches: `dicomweb.quick_searches`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from dicomweb.accept import Offer, accepted, choose
from dicomweb.answers import CACHE_CONTROL, VARY
from dicomweb.content import Plan, size_of
from dicomweb.frames import frame_offers
from dicomweb.heads import LARGEST, Asked, Reply, is_known
from dicomweb.metadata import OFFERS, VARY_ENCODED, etag_of_series
from dicomweb.problems import Problem
from dicomweb.retrieving import frames_of, planned, wire_syntax
from dicomweb.rights import HEADERS
from dicomweb.roots import URL_PREFIX, case_id_of
from dicomweb.services import Access, Services
from dicomweb.uids import is_uid
from dicomweb.verdicts import Moment, Question, Verdict, asker_of
from orthanc.cached import CachedInstance
from orthanc.errors import NoSuchFrame

ACCEPT_RANGES: Final = (("Accept-Ranges", "bytes"),)
_PATH: Final = re.compile(
    rf"{URL_PREFIX}(?:/cases/([0-9]{{1,9}}))?/studies/([0-9.]+)/series/([0-9.]+)"
    r"(?:/metadata|/instances/([0-9.]+)/frames/([0-9,]{1,200}))"
)


@dataclass(frozen=True, slots=True)
class _Representation:
    """What is sent, or is not, when its reader has it already."""

    etag: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | Plan
    cached: CachedInstance | None = None


class Quick:
    """Answers for one application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def answer(self, asked: Asked) -> Reply | None:
        """Return the answer if it is at hand. It reads no disk and waits for nothing but a look at the database."""
        match = None if asked.query else _PATH.fullmatch(asked.path)
        if match is None or "range" in asked.headers:
            return None
        case, study_uid, series_uid, sop_uid, frames = match.groups()
        verdict = self._verdict(asked.headers, case, study_uid, series_uid)
        if verdict is None:
            return None
        found = self._frames(asked, verdict, sop_uid, frames) if sop_uid else self._metadata(asked, verdict)
        reply = _reply(found, asked.headers.get("if-none-match", "")) if found else None
        if reply is not None:
            self._services.audit(_access(verdict, asked, study_uid, reply, frames=bool(sop_uid)))
        return reply

    def _verdict(self, said: Mapping[str, str], case: str | None, study_uid: str, series_uid: str) -> Verdict | None:
        case_id = case_id_of(case) if case else None
        if bool(case) != (case_id is not None) or not (is_uid(study_uid) and is_uid(series_uid)):
            return None
        now = Moment.now(self._services.database.revision())
        return self._services.verdicts.find(Question(asker_of(said), case_id, study_uid, series_uid), now)

    def _frames(self, asked: Asked, verdict: Verdict, sop_uid: str, listed: str) -> _Representation | None:
        held = verdict.instances.get(sop_uid)
        cached = self._services.cache.at_hand(held.sha256) if held else None
        if held is None or cached is None:
            return None
        syntax = wire_syntax(held)
        offer = _frame_offer(asked.headers.get("accept", ""), syntax, single="," not in listed)
        if offer is None or offer.transfer_syntax != syntax:
            return None
        try:
            sending = planned(offer, *frames_of(cached, listed))
        except (NoSuchFrame, Problem):
            return None
        headers = (("Content-Type", sending.content_type), ("Vary", VARY), *(() if offer.part else ACCEPT_RANGES))
        return _Representation(sending.etag, headers, sending.plan, cached)

    def _metadata(self, asked: Asked, verdict: Verdict) -> _Representation | None:
        offer = _json_offer(asked.headers.get("accept", ""), asked.headers.get("accept-encoding", ""))
        baked = self._services.baked.at_hand(verdict.series, verdict.root) if offer else None
        if offer is None or baked is None:
            return None
        headers = (("Content-Type", offer.media_type), ("Vary", VARY_ENCODED), ("Content-Encoding", "gzip"))
        return _Representation(etag_of_series([verdict.series], verdict.root, offer, zipped=True), headers, baked)


@lru_cache(maxsize=256)
def _frame_offer(accept: str, syntax: str, *, single: bool) -> Offer | None:
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


def _reply(found: _Representation, seen: str) -> Reply | None:
    more = (("ETag", f'"{found.etag}"'), ("Cache-Control", CACHE_CONTROL), *HEADERS)
    if is_known(found.etag, seen):
        kept = tuple(one for one in found.headers if not one[0].startswith("Content-"))
        return Reply(HTTPStatus.NOT_MODIFIED, (*kept, *more), b"")
    body = found.body if isinstance(found.body, bytes) else _read(found.cached, found.body)
    if body is None:
        return None
    return Reply(HTTPStatus.OK, (*found.headers, ("Content-Length", str(len(body))), *more), body)


def _read(cached: CachedInstance | None, plan: Plan) -> bytearray | None:
    """Read a plan into one piece of memory; None if that would be large, or mean to wait for the disk."""
    size = size_of(plan)
    if cached is None or size > LARGEST:
        return None
    whole, at = bytearray(size), 0
    view = memoryview(whole)
    for part in plan:
        length = len(part) if isinstance(part, bytes) else part[1]
        if isinstance(part, bytes):
            view[at : at + length] = part
        else:
            try:
                cached.fill(part[0], view[at : at + length], waits=False)
            except OSError:
                return None
        at += length
    return whole


def _access(verdict: Verdict, asked: Asked, study_uid: str, reply: Reply, *, frames: bool) -> Access:
    viewer = verdict.sight.viewer
    return Access(
        person_id=viewer.person_id or None,
        action="retrieve_frames" if frames else "series_metadata",
        study_uid=study_uid,
        series_uid=verdict.series.series_uid,
        case_id=verdict.sight.case_id,
        status=reply.status,
        address=asked.address,
        link_id=viewer.link.link_id if viewer.link else None,
    )
