"""What the viewer asks first of an open case is kept where nothing takes it away, before anybody asks for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import structlog

from dicomweb.baked import Baked
from dicomweb.holdings import HeldSeries
from dicomweb.thumbnails import Thumbnails
from gateway.parts import Parts
from orthanc.errors import AlteredInArchive, ArchiveRefused, DecoderBusy, Unreadable

AT_ONCE = 20
AGAIN = 300.0  # seconds until what could not be made is tried again
LET_GO_EVERY = 60.0

log = structlog.get_logger()


@dataclass(slots=True)
class Baking:
    """Keeps the metadata of every series of an open case as they are now, and lets go of those of others.

    Its thumbnail is drawn at the same time.
    """

    baked: Baked
    thumbnails: Thumbnails
    _not_before: dict[HeldSeries, float] = field(default_factory=dict)
    _let_go_at: float = 0.0

    def step(self) -> bool:
        """Keep some that are lacking, those due first; whether there may be more. Raises ArchiveUnavailable."""
        moment = time.monotonic()
        self._not_before = {series: until for series, until in self._not_before.items() if until > moment}
        if moment >= self._let_go_at:
            self.baked.ready.let_go()
            self._let_go_at = moment + LET_GO_EVERY
        most = AT_ONCE + len(self._not_before)
        lacking = self.baked.ready.lacking(most)
        for series in lacking:
            if series not in self._not_before:
                self._keep(series)
        return len(lacking) >= most

    def _keep(self, series: HeldSeries) -> None:
        try:
            self.baked.keep(series)
            self.thumbnails.draw(series)
        except (AlteredInArchive, ArchiveRefused, Unreadable, DecoderBusy) as error:
            log.warning("a series is not ready ahead", series=series.row, error=type(error).__name__)
            self._not_before[series] = time.monotonic() + AGAIN


def baking_of(parts: Parts) -> Baking:
    """Return the one of an installation."""
    return Baking(parts.baked, Thumbnails(parts.cache, parts.database, parts.decoder))
