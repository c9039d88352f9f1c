"""Storage commitment transactions for people and programs: how far, what is safe, what is not and why, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.orm import Session

from scp.commitment import FAILURES, REFUSALS
from worklist.access import Viewer
from worklist.commitments import CommitmentView, visible
from worklist.states import CommitmentState

S = CommitmentState
STATES: dict[CommitmentState, tuple[str, str]] = {
    S.ASKED: ("Being checked", "calm"),
    S.JUDGED: ("Answer waits for the sender", "attention"),
    S.REPORTED: ("Answered", "done"),
    S.GIVEN_UP: ("The sender never took the answer", "late"),
}
"""In words, and the tone of these."""
WORDS = {int(code): said for code, said in (*REFUSALS.items(), *FAILURES.items())}
"""Of a failure reason; one that we give to whole requests alone means the same of an instance (PS3.7 annex C)."""
OTHER = ("It was not committed, for a reason that has no words here", "Keep it and call the coordinator")


@dataclass(frozen=True, slots=True)
class Failed:
    """Why some instances were not committed, and what the sender shall do."""

    reason: int
    count: int
    words: str
    advice: str


@dataclass(frozen=True, slots=True)
class CommitmentLine:
    """One transaction. `hint` says what to configure, where that is what is missing."""

    view: CommitmentView
    failed: tuple[Failed, ...]
    hint: str


def commitment_lines(session: Session, who: Viewer, site_id: int | None = None) -> list[CommitmentLine]:
    """The newest transactions that this person may see."""
    return [CommitmentLine(each, tuple(_failed(each)), _hint(each)) for each in visible(session, who, site_id)]


def _failed(view: CommitmentView) -> Iterator[Failed]:
    for reason, count in sorted(view.failed.items()):
        words, advice = WORDS.get(reason, OTHER)
        yield Failed(reason, count, words, advice)


def _hint(view: CommitmentView) -> str:
    if view.address or view.row.state not in {S.JUDGED, S.GIVEN_UP}:
        return ""
    return (
        f"We have no address of {view.row.sender}, so that the answer can only go out while its association is open. "
        f"Ask the coordinator to enter host and port of {view.row.sender}."
    )
