"""What readers saved from the viewer into the studies of a case, and what it says: for its page, and for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.made import CLASSES
from orthanc.cache import ReadCache
from orthanc.errors import ArchiveError, Unreadable
from sr_reports.measured import Group, groups
from worklist.models import Case, CaseStudy, Instance, Person, Series

log = structlog.get_logger()
REMEMBERED = 512
MOST = 200  # objects on one page


@dataclass(frozen=True, slots=True)
class Saved:
    """One saved object. `groups` are its measurements; none where it cannot be read now, or is no SR."""

    kind: str
    description: str
    made_by: str
    made_at: datetime
    groups: tuple[Group, ...]

    @property
    def text(self) -> str:
        """The measurements as lines for a report."""
        return "\n".join(group.text for group in self.groups if group.text)


@dataclass(slots=True)
class SavedObjects:
    """Reads them out of the read cache, each content once."""

    cache: ReadCache
    _known: dict[str, tuple[Group, ...]] = field(default_factory=dict)

    def of_case(self, session: Session, case: Case) -> Sequence[Saved]:
        """Return them, the newest first."""
        rows = session.execute(
            select(Instance, Series, Person.display_name)
            .join(Series, Series.id == Instance.series_id)
            .join(Person, Person.id == Series.made_by)
            .join(CaseStudy, CaseStudy.study_id == Series.study_id)
            .where(CaseStudy.case_id == case.id)
            .order_by(Instance.received_at.desc(), Instance.id.desc())
            .limit(MOST)
        )
        return [
            Saved(
                CLASSES.get(one.sop_class_uid, ""), series.description, name, one.received_at, self._groups(one, series)
            )
            for one, series, name in rows
        ]

    def _groups(self, one: Instance, series: Series) -> tuple[Group, ...]:
        if series.modality != "SR":
            return ()
        if one.sha256 not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            try:
                self._known[one.sha256] = groups(orjson.loads(self.cache.get(one.sha256, one.archive_id).metadata))
            except (ArchiveError, Unreadable) as error:
                log.warning("a saved object is not at hand", sop_uid=one.sop_uid, error=type(error).__name__)
                return ()
        return self._known[one.sha256]
