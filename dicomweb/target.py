"""What the path of a WADO-RS request names; its UIDs were checked by `rights.guard`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from flask import request
from sqlalchemy import Connection

from dicomweb.accept import Offer, accepted, choose
from dicomweb.holdings import Held, HeldSeries, held_instances, held_series, instances_of_row
from dicomweb.known import KnownSeries
from dicomweb.problems import not_found
from dicomweb.rights import current_sight
from dicomweb.services import Services


@dataclass(frozen=True, slots=True)
class Target:
    """A study, a series of it, an instance of that, and maybe frames or a bulk value of the instance."""

    study_uid: str
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
        return [_instance(services.known, connection, series, target.sop_uid)]


def _instance(known: KnownSeries, connection: Connection, series: HeldSeries, sop_uid: str) -> Held:
    """Find one instance of a visible series."""
    found = known.instances(series.state, partial(instances_of_row, connection, series.row)).get(sop_uid)
    if found is None:
        raise not_found()
    return found


def negotiate(*offers: Offer) -> Offer:
    """Choose what the current request likes best of our offers."""
    return choose(accepted(request.args.getlist("accept"), request.headers.get("Accept", "")), offers)
