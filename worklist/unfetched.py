"""Earlier studies that could not be asked for or fetched, by hospital and reason: its archive is one thing to mend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from worklist.access import Viewer
from worklist.cases import SETTLED
from worklist.models import Case, Prior, PriorSearch, Site
from worklist.priors import look
from worklist.states import PriorState

_Failed = tuple[int, str, int, datetime | None]
"""The site, why, the case, when it is tried again."""


@dataclass(frozen=True, slots=True)
class Unfetched:
    """One hospital's archive failed these cases for one reason; `next_at` None: a person must ask again."""

    site: Site
    why: str
    case_ids: Sequence[int]
    next_at: datetime | None


def unfetched(session: Session) -> list[Unfetched]:
    """All of them, by hospital; of cases that are done nothing is fetched any more."""
    alike: dict[tuple[int, str], list[_Failed]] = {}
    for one in _failed(session):
        alike.setdefault(one[:2], []).append(one)
    return [
        Unfetched(session.get_one(Site, site_id), why, sorted({one[2] for one in some}), _soonest(some))
        for (site_id, why), some in sorted(alike.items())
    ]


def ask_again(session: Session, site_id: int, who: Viewer) -> int:
    """Look anew for every case of a hospital whose archive failed it; how many. Raises WrongState, NotAllowed."""
    case_ids = sorted({case_id for site, _, case_id, _ in _failed(session) if site == site_id})
    for case_id in case_ids:
        look(session, session.get_one(Case, case_id), who)
    return len(case_ids)


def _failed(session: Session) -> Iterator[_Failed]:
    of_open_cases = Case.state.not_in(SETTLED)
    for table in (PriorSearch, Prior):
        query = select(PriorSearch.site_id, table.last_error, PriorSearch.case_id, table.next_attempt_at, table.state)
        if table is Prior:
            query = query.join(Prior, Prior.search_id == PriorSearch.id)
        in_vain = and_(table.state == PriorState.WANTED, table.last_error != "")
        stuck = or_(table.state == PriorState.NEEDS_PERSON, in_vain)
        rows = session.execute(query.join(Case, Case.id == PriorSearch.case_id).where(of_open_cases, stuck))
        for site_id, why, case_id, next_at, state in rows:
            yield site_id, why, case_id, next_at if state is PriorState.WANTED else None


def _soonest(some: Sequence[_Failed]) -> datetime | None:
    return min((one[3] for one in some if one[3] is not None), default=None)
