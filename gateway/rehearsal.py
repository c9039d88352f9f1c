"""A study is opened once before anybody is let in, as OHIF opens it: the first person to do so finds everything made.

What is rehearsed is the DICOMweb front as it is, behind an application of its own that nobody else reaches: it knows
one reader, writes no line for the audit, and forgets what it found somebody to see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

import flask
from sqlalchemy import select

from config.database import Database
from dicomweb.blueprint import create_blueprint
from dicomweb.holdings import HeldSeries
from dicomweb.roots import URL_PREFIX, root_url
from dicomweb.services import Services
from dicomweb.verdicts import Lately
from worklist.access import Viewer
from worklist.models import Case, CaseStudy, Instance, Series, Study
from worklist.states import CaseState, Role

TO_BE_READ: Final = frozenset({CaseState.READY, CaseState.CLAIMED, CaseState.ON_HOLD})
JSON: Final = {"Accept": "application/dicom+json", "Accept-Encoding": "gzip"}
FRAME: Final = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A case that somebody will read, and one image of it."""

    case_id: int
    reader_id: int | None
    subspecialty: str
    study_uid: str
    series: HeldSeries
    sop_uid: str
    sha256: str


def rehearse(images: Services) -> None:
    """Open the case that is due first, if there is one. What fails, fails for who asks. Raises SQLAlchemyError."""
    piece = _piece(images.database)
    if piece is not None:
        client = _stage(images, piece).test_client(use_cookies=False)
        for path, headers in _asked(images, piece):
            client.get(path, headers=headers)


def _piece(database: Database) -> _Piece | None:
    chosen = (
        select(Case.id, Case.reader_id, Case.subspecialty)
        .add_columns(Study.study_uid, Series.series_uid, Series.id, Series.version, Instance.sop_uid, Instance.sha256)
        .join(CaseStudy, CaseStudy.case_id == Case.id)
        .join(Study, Study.id == CaseStudy.study_id)
        .join(Series, Series.study_id == Study.id)
        .join(Instance, Instance.series_id == Series.id)
        .where(Case.state.in_(TO_BE_READ), Series.made_by.is_(None), Instance.rows > 0)
        .order_by(Case.due_at.asc().nulls_last(), Case.id, Series.id, Instance.id)
    )
    with database.reading() as session:
        found = session.execute(chosen.limit(1)).one_or_none()
    if found is None:
        return None
    case_id, reader_id, subspecialty, study_uid, series_uid, series_id, version, sop_uid, sha256 = found
    series = HeldSeries(series_uid, series_id, version)
    return _Piece(case_id, reader_id, subspecialty, study_uid, series, sop_uid, sha256)


def strangers(reader_id: int | None, subspecialties: frozenset[str]) -> Iterator[Viewer]:
    """Readers with the rights of one, no two the same.

    SQLAlchemy changes a clause as it compiles it, so that who asks for a second time has another statement than who
    asks for the first; and clauses are remembered by viewer (`worklist.access`).
    """
    for number in count(-1, -1):
        yield Viewer(reader_id or 0, frozenset({Role.READER}), subspecialties, number)


def _stage(images: Services, piece: _Piece) -> flask.Flask:
    """An application in which everybody is the case's reader."""
    readers = strangers(piece.reader_id, frozenset({piece.subspecialty}))
    stage = flask.Flask("rehearsal", static_folder=None)
    apart = replace(images, verdicts=Lately(), askers=Lately())  # nobody else may be taken for this reader
    services = replace(apart, viewer=lambda: next(readers), audit=lambda _: None)
    stage.register_blueprint(create_blueprint(services))
    return stage


def _asked(images: Services, piece: _Piece) -> Iterator[tuple[str, dict[str, str]]]:
    """What OHIF asks, below both roots, but for what would have to be waited for, or fetched from the archive."""
    is_kept, is_held = images.baked.ready.read(piece.series) is not None, images.cache.held(piece.sha256) is not None
    for case_id in (piece.case_id, None):
        root = root_url(URL_PREFIX, case_id)
        yield f"{root}/studies?StudyInstanceUID={piece.study_uid}", JSON
        yield f"{root}/studies/{piece.study_uid}/series", JSON
        series = f"{root}/studies/{piece.study_uid}/series/{piece.series.series_uid}"
        if is_kept:
            yield f"{series}/metadata", JSON
        if is_held:
            yield f"{series}/instances/{piece.sop_uid}/frames/1", FRAME
