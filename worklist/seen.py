"""What a reader had in front of them: a signature is for that, and for nothing that came later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worklist.added import images_added, images_version
from worklist.lifecycle import WrongState
from worklist.models import Case


@dataclass(frozen=True, slots=True)
class Seen:
    """What whoever signs says that they have seen; None where they do not say."""

    images_version: int | None = None
    text_version: str | None = None


class Unseen(WrongState):
    """Something would be signed that the reader has not seen: look at it, then sign again.

    `members` are what a program needs for that.
    """

    def __init__(self, said: str, members: Mapping[str, int] | None = None) -> None:
        super().__init__(said)
        self.members = members or {}


def text_version(case: Case) -> str:
    """Which draft it is; "" before the first."""
    return case.draft_at.isoformat() if case.draft_at else ""


def check_seen(case: Case, seen: Seen) -> None:
    """Raise Unseen if the draft is another one, or if images came since the claim that the reader does not name."""
    if seen.text_version not in {None, text_version(case)}:
        raise Unseen("The text has changed since you looked, perhaps in another window. Read it again, then sign.")
    version, added = images_version(case), images_added(case)
    if seen.images_version != version and (added or seen.images_version is not None):
        raise Unseen(f"{added_in_words(added)} Look at them before you sign.",
                     {"images_added": added, "images_version": version})  # fmt: skip


def added_in_words(added: int) -> str:
    """1 image was added after you claimed this case."""
    images = "1 image was" if added == 1 else f"{added:,} images were"
    return f"{images} added after you claimed this case."
