"""What the path of a WADO-RS request names; its UIDs were checked by `rights.guard`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from flask import request
from sqlalchemy import Connection

from dicomweb.accept import Offer, accepted, choose
from dicomweb.holdings import Held, HeldSeries, held_instances, held_series, instances_of_row
from dicomweb.known import Instances
from dicomweb.problems import Problem, not_found
from dicomweb.rights import current_moment, current_query, current_question, current_root, current_sight
from dicomweb.services import Services
from dicomweb.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Target:
    """A study, a series of it, an instance of that, and maybe frames or a bulk value of the instance."""

    study_uid: str = ""  # only of a WADO-URI request, which names it elsewhere
    series_uid: str | None = None
    sop_uid: str | None = None
    frames: str = ""
    bulk: str = ""


def held(services: Services, target: Target) -> list[Held]:
    """Return the instances that it names; the 404 of somebody who may not see them is that of what does not exist."""
    sight = current_sight()
    with services.database.engine.connect() as connection:
        if target.series_uid is None or target.sop_uid is None:
            return held_instances(connection, sight, target.study_uid, target.series_uid)
        (series,) = held_series(connection, sight, target.study_uid, target.series_uid)
        found = note_series(services, connection, target, series).get(target.sop_uid)
    if found is None:
        raise not_found()
    return [found]


def note_series(services: Services, connection: Connection, target: Target, series: HeldSeries) -> Instances:
    """Return what a visible series of the target holds; who asks for it again at once need not be looked up again."""
    instances = services.known.instances(series.state, partial(instances_of_row, connection, series.row))
    verdict = Verdict(current_sight(), current_root(services), series, instances)
    services.verdicts.keep(current_question(target.study_uid, series.series_uid), current_moment(), verdict)
    return instances


def negotiate(*offers: Offer) -> Offer:
    """Choose what the current request likes best of our offers."""
    return choose(accepted(current_query().getlist("accept"), request.headers.get("Accept", "")), offers)


def takes(offer: Offer) -> bool:
    """Whether the current request takes this."""
    try:
        return negotiate(offer) == offer
    except Problem:
        return False
