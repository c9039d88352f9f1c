"""What each part of Overread does, in the words of a coordinator."""

from __future__ import annotations

from collections.abc import Mapping

OF_THE_WORKER = "worker: "
DOES: Mapping[str, str] = {
    "ingest": "Puts what was received into the archive",
    "refusals": "Notes what was refused at the door",
    "tidy": "Takes away rows of refused objects that somebody has seen long ago",
    "unusable": "Looks after objects that cannot be read here",
    "quarantine": "Carries out decisions about what is kept aside",
    "bake": "Keeps what the viewer asks first of open cases",
    "ready": "Keeps the images of cases that wait at hand",
    "altered": "Asks again for images that the archive gives otherwise than it took them",
    "settle": "Opens a case when a study is complete",
    "expect": "Asks hospitals how many images they have",
    "look": "Looks for missing images",
    "publish": "Makes reports and puts them into the archive",
    "keep": "Sees that the archive still has every report",
    "deliver": "Delivers reports",
    "search": "Looks for earlier studies in hospitals' archives",
    "fetch": "Fetches earlier studies",
    "arrive": "Sees that fetched studies arrive",
    "commit": "Answers requests for storage commitment",
    "clock": "Watches the clock of this machine",
    "peers": "Tells the receivers who may send",
    "cuts": "Notes transfers that were cut",
    "callers": "Notes who called, and who was turned away",
}


def part_in_words(part: str) -> str:
    """What a part does; of several that do the same ("deliver 2") each has its number."""
    name, _, number = part.removeprefix(OF_THE_WORKER).partition(" ")
    does = DOES.get(name, part.capitalize())
    return f"{does} ({number})" if number and name in DOES else does
