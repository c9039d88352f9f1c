"""What the path of a WADO-RS request names; its UIDs were checked by `rights.guard`."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from dicomweb.accept import Offer, accepted, choose
from dicomweb.holdings import Held, held_instances
from dicomweb.rights import current_viewer
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
    with services.database.reading() as session:
        return held_instances(session, current_viewer(), target.study_uid, target.series_uid, target.sop_uid)


def negotiate(*offers: Offer) -> Offer:
    """Choose what the current request likes best of our offers."""
    return choose(accepted(request.args.getlist("accept"), request.headers.get("Accept", "")), offers)
