"""What a peer's answer to C-STORE means for us: one table (PS3.4 table B.2-1, PS3.7 Annex C, dcm4chee's own codes)."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Outcome(Enum):
    """What is to be done after a C-STORE."""

    STORED = "stored"
    TRY_AGAIN = "try again"
    ASK_A_PERSON = "ask a person"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the statuses from `first` to `last` mean."""

    first: int
    last: int
    outcome: Outcome
    words: str


MEANINGS: Final = (
    Meaning(0x0000, 0x0000, Outcome.STORED, "stored"),
    Meaning(0x0001, 0x0001, Outcome.STORED, "stored, with a warning"),
    Meaning(0x0107, 0x0107, Outcome.STORED, "stored, with a warning about attributes"),
    Meaning(0x0116, 0x0116, Outcome.STORED, "stored, with a warning about a value"),
    Meaning(0xB000, 0xBFFF, Outcome.STORED, "stored, with a warning"),
    Meaning(0x0213, 0x0213, Outcome.TRY_AGAIN, "the peer is out of resources"),
    Meaning(0x0111, 0x0111, Outcome.ASK_A_PERSON, "the peer already has an object of that UID"),
    Meaning(0x0122, 0x0122, Outcome.ASK_A_PERSON, "the peer does not support this kind of object"),
    Meaning(0x0124, 0x0124, Outcome.ASK_A_PERSON, "the peer does not allow us to store"),
    Meaning(0xA770, 0xA77B, Outcome.ASK_A_PERSON, "a rule of the peer forbids the object"),
    Meaning(0xA700, 0xA7FF, Outcome.TRY_AGAIN, "the peer is out of resources"),
    Meaning(0xA900, 0xA9FF, Outcome.ASK_A_PERSON, "the peer says that the object does not match its kind"),
    Meaning(0xC000, 0xCFFF, Outcome.ASK_A_PERSON, "the peer cannot understand the object"),
    Meaning(0x0000, 0xFFFF, Outcome.ASK_A_PERSON, "the peer failed to store the object"),
)
"""The first row that fits counts."""


def meaning_of(status: int) -> Meaning:
    """Return what a status means; every 16-bit status means something."""
    return next(one for one in MEANINGS if one.first <= status <= one.last)
