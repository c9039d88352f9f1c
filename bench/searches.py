"""Searches that are measured: one page asked again and again, and pages and studies of which none is asked twice.

What is asked again lies in a server's memory, perhaps. What is new each time has another limit, offset, name, range of
dates or UID; the longest turn is asked for the second time after more than a second, when nobody remembers it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

FIELDS: Final = "fuzzymatching=false&includefield=00081030,00080060"
SEARCH: Final = f"/studies?limit=101&offset=0&{FIELDS}"
IN_TURN: Final = 12_000
_LETTERS: Final = "aceihmnrsty"  # of the benchmark's patient


def one_study(study_uid: str) -> str:
    """A search for one study."""
    return f"{SEARCH}&StudyInstanceUID={study_uid}"


def pages_in_turn() -> list[str]:
    """Pages of about 101 studies; all match, by other words each time."""
    return [f"/studies?{_PAGES[number % len(_PAGES)](number)}&{FIELDS}" for number in range(IN_TURN)]


def studies_in_turn(study_uids: Sequence[str]) -> list[str]:
    """One study each."""
    several = len(study_uids)
    return [
        f"/studies?limit={1 + number // several}&offset=0&{FIELDS}&StudyInstanceUID={study_uids[number % several]}"
        for number in range(IN_TURN)
    ]


def _by_date(number: int) -> str:
    last = date(2027, 1, 1) + timedelta(days=number)
    return f"limit=101&offset={number % 4}&StudyDate=19000101-{last:%Y%m%d}"


def _by_name(number: int) -> str:
    return f"limit={101 + number}&offset={number % 4}&PatientName=*{_LETTERS[number % len(_LETTERS)]}*"


def _by_place(number: int) -> str:
    return f"limit={101 + number}&offset={number % 4}"


_PAGES: Final[tuple[Callable[[int], str], ...]] = (_by_date, _by_name, _by_place)
