"""The baked metadata of a series, below one root: kept by the read cache, made when first asked for or ahead of it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from config.database import Database
from dicomweb.holdings import HeldSeries, archived_instances
from dicomweb.roots import root_url
from orthanc.baking import SeriesKey
from orthanc.cache import Archived, ReadCache
from worklist.models import CaseStudy, Series


def baked_series(cache: ReadCache, database: Database, series: HeldSeries, root: str) -> bytes:
    """Return the metadata of one series in this state, gzipped. Raises what `ReadCache.get` raises."""
    key = SeriesKey(series.row, series.series_uid, series.version, root)
    return cache.series_metadata(key, _archived(database, series.row))


def bake_case(cache: ReadCache, database: Database, case_id: int, base_url: str) -> None:
    """Bake every series of a case below the root that its pages open; what is baked already costs nothing."""
    of_case = (
        select(Series.series_uid, Series.id, Series.version)
        .join(CaseStudy, CaseStudy.study_id == Series.study_id)
        .where(CaseStudy.case_id == case_id)
    )
    with database.reading() as session:
        found = [HeldSeries(uid, row, version) for uid, row, version in session.execute(of_case)]
    for series in found:
        baked_series(cache, database, series, root_url(base_url, case_id))


def _archived(database: Database, series_row: int) -> Iterator[Archived]:
    """Look up a series' instances when, and only when, somebody asks for them."""
    with database.reading() as session:
        instances = archived_instances(session, series_row)
    yield from instances
