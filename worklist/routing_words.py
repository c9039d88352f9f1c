"""How a word of a rule is found in what people and machines wrote.

Whole words, in any case, with or without accents (`ä` also as `ae`); everything that is neither letter nor digit
separates words; `*` stands for any rest of a word. So `schädel*` is found in "CT SCHAEDELBASIS" and `c spine` in
"XR C-SPINE AP".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

LONGEST_TEXT = 20_000  # characters of a history that are looked at
LONGEST_WORD = 64

_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})
_MAYBE_E = "~"  # after a, o, u that stand for ä, ö, ü
_UMLAUTS = str.maketrans({_MAYBE_E: " ", "ä": "a~", "ö": "o~", "ü": "u~"})
_SEPARATORS = re.compile(r"[^\w]|_")
_SEPARATORS_OF_PHRASES = re.compile(r"[^\w*~]|_")


def fold(text: str) -> str:
    """The words of a text, one space before and after each: " ct thorax abdomen "."""
    words = _SEPARATORS.sub(" ", _plain(text[:LONGEST_TEXT])).split()
    return " ".join(["", *(word[:LONGEST_WORD] for word in words), ""])


def fold_phrase(phrase: str) -> str:
    """One entry of a rule's list, as it is compared: its words with their `*`, and `~` where an e may stand."""
    umlauts = unicodedata.normalize("NFC", phrase).casefold().translate(_UMLAUTS)
    return " ".join(_SEPARATORS_OF_PHRASES.sub(" ", _plain(umlauts)).split())


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(each for each in decomposed if not unicodedata.combining(each))


@dataclass(frozen=True, slots=True)
class Phrases:
    """Any of these phrases; with `whole`, the text must be the phrase and nothing more."""

    written: tuple[str, ...]
    whole: bool = False

    @property
    def folded(self) -> frozenset[str]:
        """The phrases as they are compared."""
        return frozenset(fold_phrase(each) for each in self.written)

    def found(self, folded_text: str, denied: frozenset[int] = frozenset()) -> str:
        """The first phrase of the list which is in the text, as it is written in the rule; "" if none is.

        One that begins at a denied place is not there.
        """
        if all(place in denied for place in self.places(folded_text)):
            return ""
        return next(
            each
            for each in self.written
            if any(place not in denied for place in Phrases((each,), self.whole).places(folded_text))
        )

    def places(self, folded_text: str) -> Iterator[int]:
        """Where in the text phrases of the list begin."""
        if not self.written:
            return iter(())
        return (found.start() for found in _pattern(self.written, self.whole).finditer(folded_text))


@lru_cache(maxsize=4096)
def _pattern(phrases: tuple[str, ...], whole: bool) -> re.Pattern[str]:
    rest = ".*" if whole else "[^ ]*"
    escaped = (re.escape(fold_phrase(each)) for each in phrases)
    choices = "|".join(each.replace(r"\*", rest).replace(r"\~", "e?") for each in escaped)
    return re.compile(f"^ (?:{choices}) $" if whole else f"(?<= )(?:{choices})(?= )")
