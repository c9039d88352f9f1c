"""What a reader had in front of them: a signature is for that, and for nothing that came later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worklist.added import Changes, images_version, since_claim
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
    """Raise Unseen if the draft is another one, or if images changed since the claim as the reader does not name."""
    if seen.text_version not in {None, text_version(case)}:
        raise Unseen("The text has changed since you looked, perhaps in another window. Read it again, then sign.")
    version, changes = images_version(case), since_claim(case)
    if seen.images_version != version and (changes or seen.images_version is not None):
        told = changes_in_words(changes) or "The images are not those that you looked at."
        raise Unseen(f"{told} Look at them before you sign.",
                     {"images_added": changes.added, "images_replaced": changes.replaced,
                      "images_version": version})  # fmt: skip


def changes_in_words(changes: Changes, after: str = "after you claimed this case") -> str:
    """2 images were added and 1 image was replaced after you claimed this case; "" if nothing changed."""
    told = [_said(changes.added, "added")] if changes.added else []
    told += [_said(changes.replaced, "replaced")] if changes.replaced else []
    return f"{' and '.join(told)} {after}." if told else ""


def _said(count: int, what: str) -> str:
    return f"1 image was {what}" if count == 1 else f"{count:,} images were {what}"
