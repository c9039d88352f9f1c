"""The baked metadata of a series: at hand in the cache, kept in the database for an open case, else made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from config.database import Database
from dicomweb.holdings import HeldSeries, archived_instances
from dicomweb.ready import ReadyMetadata
from orthanc.baking import SeriesKey
from orthanc.cache import Archived, ReadCache


@dataclass(frozen=True, slots=True)
class Baked:
    """Metadata by the state of their series. What is made raises what `ReadCache.get` raises."""

    cache: ReadCache
    database: Database
    ready: ReadyMetadata

    def answer(self, series: HeldSeries, root: str) -> bytes:
        """Return the metadata of one series in this state, gzipped, below one root."""
        kept = partial(self.ready.read, series)
        return self.cache.series_metadata(_key(series), root, self._archived(series), kept)

    def at_hand(self, series: HeldSeries, root: str) -> bytes | None:
        """Return what `answer` returned lately: neither disk nor database is asked."""
        return self.cache.series_at_hand(_key(series), root)

    def ahead(self, series: HeldSeries) -> None:
        """Have them in the cache."""
        self.cache.baked_series(_key(series), self._archived(series), partial(self.ready.read, series))

    def keep(self, series: HeldSeries) -> None:
        """Have them in the database. Raises KeysUnusable and OSError, too."""
        self.ready.keep(series, self.cache.baked_series(_key(series), self._archived(series)))

    def _archived(self, series: HeldSeries) -> Iterator[Archived]:
        """Look up a series' instances when, and only when, somebody asks for them."""
        with self.database.reading() as session:
            instances = archived_instances(session, series.row)
        yield from instances


def _key(series: HeldSeries) -> SeriesKey:
    return SeriesKey(series.row, series.series_uid, series.version)
