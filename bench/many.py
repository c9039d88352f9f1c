"""Many studies of other people in the database, as rows alone: a search of one person must not feel them.

They belong to a site of their own, each to a case; one case in fifty is READY, in a subspecialty that the demo's
reader does not read. Nothing of them is in any archive; the metadata that are
kept of them are empty, so that no worker looks for what they would be made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from config.database import Database
from config.keys import KeyRing
from config.sealed_bytes import seal
from dicomweb.ready import subject_of
from orthanc.sidecar import FORMAT
from worklist.models import Base, Case, CaseStudy, Instance, Series, SeriesMetadata, Site, Study
from worklist.states import CaseState

AT_ONCE: Final = 5_000
ROOT: Final = "1.2.826.0.1.3680043.10.54321.7"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
OTHERS: Final = "BENCH_ELSEWHERE"
ARRIVED: Final = datetime(2026, 1, 1, tzinfo=UTC)

Row = Mapping[str, Any]


def fill(database: Database, ring: KeyRing, studies: int) -> None:
    """Add so many studies, each with a series of two instances. Once for each database, whose keys `ring` has."""
    for first in range(0, studies, AT_ONCE):
        with database.writing() as session:
            _add(session, ring, range(first, min(first + AT_ONCE, studies)))


def _add(session: Session, ring: KeyRing, numbers: range) -> None:
    site = session.scalars(select(Site).where(Site.code == OTHERS)).one_or_none()
    if site is None:
        session.add(site := Site(code=OTHERS, name="Elsewhere"))
        session.flush()
    first = {table: (session.scalar(select(func.max(table.id))) or 0) + 1 for table in (Study, Series, Instance, Case)}
    _put(session, Study, (_study(number, f"site:{site.id}") for number in numbers), first[Study])
    _put(session, Series, (_series(number, first[Study] + at) for at, number in enumerate(numbers)), first[Series])
    _put(session, Instance, _instances(numbers, first[Study], first[Series]), first[Instance])
    _put(session, Case, (_case(number, site.id) for number in numbers), first[Case])
    links = [{"case_id": first[Case] + at, "study_id": first[Study] + at} for at in range(len(numbers))]
    session.execute(insert(CaseStudy), links)
    ready = [first[Series] + at for at, number in enumerate(numbers) if _is_ready(number)]
    session.execute(insert(SeriesMetadata), [_kept(series, ring) for series in ready])


def _put(session: Session, table: type[Base], rows: Iterator[Row], first: int) -> None:
    session.execute(insert(table), [{"id": first + at, **row} for at, row in enumerate(rows)])


def _study(number: int, origin: str) -> Row:
    day = date(2016, 1, 1) + timedelta(days=number % 3_650)
    return {
        "origin": origin,
        "study_uid": f"{ROOT}.{number}",
        "patient_id": f"ELSEWHERE-{number // 3}",
        "patient_name": f"Elsewhere^Number {number // 3}",
        "birth_date": "19500101",
        "sex": "FM"[number % 2],
        "study_date": f"{day:%Y%m%d}",
        "study_time": f"{number % 24:02}{number % 60:02}00",
        "accession": f"E{number}",
        "description": "CT of the chest",
        "first_at": ARRIVED,
        "last_at": ARRIVED,
        "settled": True,
        "version": 2,
        "asked_version": 2,
        "checked_version": 2,
    }


def _series(number: int, study: int) -> Row:
    return {"study_id": study, "series_uid": f"{ROOT}.{number}.1", "modality": "CT", "number": 1, "version": 2}


def _instances(numbers: range, first_study: int, first_series: int) -> Iterator[Row]:
    for at, number in enumerate(numbers):
        for place in (1, 2):
            yield {
                "study_id": first_study + at,
                "series_id": first_series + at,
                "sop_uid": f"{ROOT}.{number}.1.{place}",
                "sop_class_uid": CT,
                "transfer_syntax": EXPLICIT,
                "number": place,
                "size": 525_000,
                "sha256": f"{number:060}{place:04}",
                "archive_id": f"{number}-{place}",
                "received_at": ARRIVED,
            }


def _kept(series: int, ring: KeyRing) -> Row:
    sealed = seal(b"", subject_of(series, 2), ring)
    return {"series_id": series, "version": 2, "form": FORMAT, "slot": sealed.slot, "content": sealed.content}


def _is_ready(number: int) -> bool:
    return number % 50 == 0


def _case(number: int, site_id: int) -> Row:
    state = CaseState.READY if _is_ready(number) else CaseState.DELIVERED
    return {"state": state, "site_id": site_id, "subspecialty": "musculoskeletal", "created_at": ARRIVED}
