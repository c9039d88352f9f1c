"""How much is measured: the usual amount, or a quick look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes and repetitions; times in seconds."""

    rounds: int
    slices: int
    studies: int
    """Small studies that are there before, so that a search has something to look through."""
    others: int
    """Studies of other people in our database, as rows alone, when all the rest is measured."""
    seconds: float
    """How long each rate is measured."""
    crowd_seconds: float
    """How long a crowd uses the web application while its memory is watched."""
    idle_seconds: float


USUAL: Final = Plan(
    rounds=3, slices=500, studies=100, others=100_000, seconds=3.0, crowd_seconds=45.0, idle_seconds=15.0
)
QUICK: Final = Plan(rounds=1, slices=100, studies=20, others=10_000, seconds=1.0, crowd_seconds=6.0, idle_seconds=4.0)
