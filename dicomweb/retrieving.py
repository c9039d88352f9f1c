"""Files, frames and bulk data, as they lie in the read cache (PS3.18 section 10.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flask import Response

from dicomweb.accept import MULTIPART, Offer
from dicomweb.answers import answer, etag_and_boundary_of, etag_of, partial_answer, range_of_request
from dicomweb.content import Plan, part_of, read_plan, size_of
from dicomweb.frames import DICOM, file_offers, frame_numbers, frame_offers
from dicomweb.holdings import Held
from dicomweb.multipart import begun, boundary_of, closing, content_type, part_head, parts
from dicomweb.problems import bad_request
from dicomweb.services import Services
from dicomweb.syntaxes import EXPLICIT_LITTLE, NATIVE, OCTETS
from dicomweb.target import Target, held, negotiate, takes
from orthanc.bulk import Bulk, Piece
from orthanc.cached import CachedInstance
from orthanc.decoded_file import DecodedFile
from orthanc.errors import Undecodable

PIXEL_DATA: Final = "7FE00010"
DOCUMENT: Final = "00420011"
PDF: Final = "application/pdf"


@dataclass(frozen=True, slots=True)
class Sending:
    """An answer out of one cached file, before anything is read."""

    etag: str
    content_type: str
    plan: Plan


_BULK_PATH = re.compile(r"[0-9A-F]{8}(/[1-9]\d{0,6}/[0-9A-F]{8})*")


def files(services: Services, target: Target) -> Response:
    """Send every instance of the target as a DICOM file.

    To a client that names no transfer syntax, what no decoder can read goes as it is stored, as what is lossy does.
    """
    instances = held(services, target)
    single = target.sop_uid is not None
    syntaxes = sorted({wire_syntax(one) for one in instances})
    offers = [negotiate(*file_offers(syntax, single=single)) for syntax in syntaxes]
    if single:
        return _one_file(services, instances[0], offers[0])
    sent_as = dict(zip(syntaxes, (offer.transfer_syntax for offer in offers), strict=True))
    as_stored = {syntax for syntax in syntaxes if takes(Offer(MULTIPART, DICOM, syntax))}
    identity = [f"{one.sop_uid} {one.sha256} {sent_as[wire_syntax(one)]}" for one in instances]
    boundary = boundary_of(*identity)
    return answer(
        etag_of("files", *identity, *sorted(as_stored)),
        content_type(DICOM, boundary),
        lambda: _many_files(services, instances, sent_as, as_stored, boundary),
        length=None,
    )


def frames(services: Services, target: Target) -> Response:
    """Send frames of an instance in the order in which they are asked for, one part each."""
    numbers = frame_numbers(target.frames)
    (one,) = held(services, target)
    offer = negotiate(*frame_offers(wire_syntax(one), single=len(numbers) == 1))
    if offer.transfer_syntax != wire_syntax(one):
        return _decoded(services, one, offer, numbers)
    cached = services.cache.get(one.sha256, one.archive_id)
    return send(cached, offer, *frames_of(cached, target.frames))


def frames_of(cached: CachedInstance, listed: str) -> tuple[list[tuple[Piece, ...]], tuple[str, ...]]:
    """Where the listed frames lie, and what their answer is known by. Raises NoSuchFrame."""
    pieces = [cached.frame(number) for number in frame_numbers(listed)]
    return pieces, ("frames", cached.sha256, listed)


def bulk(services: Services, target: Target) -> Response:
    """Send one large value; compressed pixel data frame by frame."""
    if not _BULK_PATH.fullmatch(target.bulk):
        raise bad_request("The path has something that is no address of a value.")
    (one,) = held(services, target)
    cached = services.cache.get(one.sha256, one.archive_id)
    value = cached.bulk(target.bulk)
    identity = ("bulk", one.sha256, target.bulk)
    if target.bulk == PIXEL_DATA and wire_syntax(one) not in NATIVE and cached.frame_count:
        offer = negotiate(*frame_offers(wire_syntax(one), single=cached.frame_count == 1))
        numbers = range(1, cached.frame_count + 1)
        if offer.transfer_syntax != wire_syntax(one):
            return _decoded(services, one, offer, numbers)
        return send(cached, offer, [cached.frame(number) for number in numbers], identity)
    return send(cached, negotiate(*_bulk_offers(cached, target.bulk, value)), [value.pieces], identity)


def wire_syntax(one: Held) -> str:
    """The transfer syntax in which we send it: as stored, but never implicit or big endian (8.7.3)."""
    return EXPLICIT_LITTLE if one.transfer_syntax in NATIVE else one.transfer_syntax


def _bulk_offers(cached: CachedInstance, path: str, value: Bulk) -> Iterable[Offer]:
    """Offer the value as octets, an encapsulated PDF as what it is first."""
    if path == DOCUMENT and cached.index.document_type == PDF:
        yield Offer(MULTIPART, PDF)
        yield Offer(PDF)
    syntax = cached.transfer_syntax if len(value.pieces) > 1 else EXPLICIT_LITTLE
    yield Offer(MULTIPART, OCTETS, syntax)
    yield Offer(OCTETS, "", syntax)


def _one_file(services: Services, one: Held, offer: Offer) -> Response:
    cached = services.cache.get(one.sha256, one.archive_id)
    stored = wire_syntax(one)
    if offer.transfer_syntax == stored:
        return send(cached, offer, [((0, cached.part10_length),)], ("file", one.sha256, one.sop_uid))
    try:
        file, inside = DecodedFile(cached, services.decoder.native), _named(offer)
    except Undecodable:
        return _one_file(services, one, negotiate(Offer(MULTIPART, DICOM, stored), Offer(DICOM, "", stored)))
    identity = ("decoded file", one.sha256, one.sop_uid)
    if not offer.part:
        return answer(etag_of(*identity, offer), inside, file.pieces, length=file.length)
    boundary = boundary_of(*identity)
    body = parts(boundary, [(inside, file.pieces())])
    return answer(etag_of(*identity, offer), content_type(DICOM, boundary), lambda: body, length=None)


def send(
    cached: CachedInstance, offer: Offer, contents: Sequence[Iterable[Piece]], identity: tuple[str, ...]
) -> Response:
    """Send pieces of a cached file, each content as a part of its own, or the only one as it is: of that, any range."""
    sending = planned(offer, contents, identity)
    etag, kind, plan, length = sending.etag, sending.content_type, sending.plan, size_of(sending.plan)
    span = None if offer.part else range_of_request(etag, length)
    if span is not None:
        response = partial_answer(etag, kind, lambda: read_plan(cached, part_of(plan, *span)), span, length)
    else:
        response = answer(etag, kind, lambda: read_plan(cached, plan), length=length)
    if not offer.part:
        response.accept_ranges = "bytes"
    return response


def planned(offer: Offer, contents: Sequence[Iterable[Piece]], identity: tuple[str, ...]) -> Sending:
    """Lay out the answer of `send`."""
    inside = _named(offer)
    etag, boundary = etag_and_boundary_of(*identity, *map(str, offer))
    plan: Plan = []
    for number, pieces in enumerate(contents):
        plan += [part_head(boundary, inside, first=number == 0)] if offer.part else []
        plan += pieces
    plan += [closing(boundary)] if offer.part else []
    return Sending(etag, content_type(offer.part, boundary) if offer.part else inside, plan)


def _many_files(
    services: Services, instances: Sequence[Held], sent_as: dict[str, str], as_stored: set[str], boundary: str
) -> Iterator[bytes]:
    def contents() -> Iterator[tuple[str, Iterable[bytes]]]:
        for one in instances:
            cached, stored = services.cache.get(one.sha256, one.archive_id), wire_syntax(one)
            decoded = None if sent_as[stored] == stored else _decoded_file(services, cached, stored in as_stored)
            syntax = stored if decoded is None else sent_as[stored]
            file = read_plan(cached, [(0, cached.part10_length)]) if decoded is None else decoded.pieces()
            yield f"{DICOM}; transfer-syntax={syntax}", file

    return begun(parts(boundary, contents()))


def _decoded_file(services: Services, cached: CachedInstance, as_stored: bool) -> DecodedFile | None:
    """Return the file decoded, None for one that cannot be, if the client takes that as it is stored."""
    try:
        return DecodedFile(cached, services.decoder.native)
    except Undecodable:
        if as_stored:
            return None
        raise


def _decoded(services: Services, one: Held, offer: Offer, numbers: Sequence[int]) -> Response:
    """Send frames decoded, for a client that takes no compressed ones."""
    cached = services.cache.get(one.sha256, one.archive_id)
    identity = ("decoded", one.sha256, *map(str, numbers))
    for number in numbers:
        cached.frame(number)  # nothing is sent if one of them does not exist
    native = ([services.decoder.native(cached, number)] for number in numbers)
    if not offer.part:
        return answer(etag_of(*identity, offer), _named(offer), lambda: next(native), length=None)
    boundary = boundary_of(*identity)
    body = parts(boundary, ((_named(offer), frame) for frame in native))
    return answer(etag_of(*identity, offer), content_type(offer.part, boundary), lambda: begun(body), length=None)


def _named(offer: Offer) -> str:
    """The Content-Type of one content."""
    return f"{offer.content}; transfer-syntax={offer.transfer_syntax}" if offer.transfer_syntax else offer.content
