"""What the worker does about earlier studies: look for them, have them sent, see that they arrive."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.archives import archives_of
from gateway.due import Due
from gateway.loops import Loop, numbered
from gateway.parts import Parts
from gateway.prior_arrivals import Arriving
from gateway.prior_fetch import Fetching
from gateway.prior_search import Searching
from worklist.models import Prior, PriorSearch
from worklist.states import PriorState

AT_ONCE = 2  # studies that are fetched at the same time, each of another hospital


def prior_loops(parts: Parts) -> Sequence[Loop]:
    """The loops of one installation."""
    database, delivery = parts.database, parts.settings.delivery
    pauses = (delivery.first_pause, delivery.longest_pause)
    searches = Due(database, PriorSearch, PriorState.WANTED, *pauses)
    priors = Due(database, Prior, PriorState.WANTED, *pauses, take_turns=True)
    archives = archives_of(parts.settings, parts.ways, parts.inbox)
    searching = Searching(database, archives, parts.prior_rules, searches)
    fetching = Fetching(database, archives, parts.prior_rules, priors)
    arriving = Arriving(database, parts.inbox, priors)
    return (
        Loop("search", searching.step, 0.3, soonest=searches.soonest, takes_long=True),
        *(
            Loop(name, fetching.step, 0.3, soonest=priors.soonest, takes_long=True, halt=fetching.halt)
            for name in (numbered("fetch", number) for number in range(1, AT_ONCE + 1))
        ),
        Loop("arrive", arriving.step, 1.0, soonest=arriving.soonest),
    )
