"""What a history denies: "no cord compression" does not tell of one.

A word of denial reaches a few words onward and never out of its clause. In doubt nothing is denied: a case too early
harms nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice, takewhile

from worklist.routing_words import LONGEST_TEXT, Phrases, fold

# What ends a clause: punctuation (not that of "C-spine", "w/o" or "37.5"), brackets, a line's end.
_CLAUSE = re.compile(r"(.*?)([;:!?()\[\]•…\n\r]|[.,](?!\d)|\s[-–—]+\s|\Z)", re.DOTALL)  # noqa: RUF001


_WORD = re.compile(r"(?<= )[^ ]+")


@dataclass(frozen=True, slots=True)
class Folded:
    """A text's words (as `fold` gives them), and where in it the words begin that it denies."""

    text: str
    denied: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Denial:
    """Which words deny what follows, how many words on, and what stands against it."""

    words: Phrases = Phrases(())  # "no", "kein*"
    unless: Phrases = Phrases(())  # "no change": begins like a denial and is none
    ends: Phrases = Phrases(())  # "but": what follows is told again
    within: int = 0

    def read(self, raw: str) -> Folded:
        """Fold a text, clause by clause. A question denies nothing: "No cord compression?" asks for it."""
        clauses = [(fold(clause), end) for clause, end in _CLAUSE.findall(raw[:LONGEST_TEXT])]
        spoken = [(words, end) for words, end in clauses if words.strip()]
        starts = accumulate((len(words) - 1 for words, _ in spoken), initial=0)
        denied = frozenset(
            start + place
            for start, (words, end) in zip(starts, spoken, strict=False)
            if end != "?"
            for place in self._denied(words)
        )
        return Folded("".join(words[:-1] for words, _ in spoken) + " ", denied)

    def _denied(self, clause: str) -> Iterator[int]:
        told, ends = set(self.unless.places(clause)), set(self.ends.places(clause))
        for place in self.words.places(clause):
            if place not in told:
                yield from self._reach(clause, place, ends)

    def _reach(self, clause: str, place: int, ends: set[int]) -> Iterator[int]:
        following = (word.start() for word in _WORD.finditer(clause, place + 1))
        return takewhile(lambda start: start not in ends, islice(following, self.within))
