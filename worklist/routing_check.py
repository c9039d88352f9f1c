"""Values of a routing file, checked one by one: each mistake is noted with its line, and the next value is looked at.

What a check answers after a mistake is a harmless stand-in: with a mistake noted, nothing of the file is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from math import inf
from typing import TypeVar

from worklist.routing_facts import FIELDS, Field, Kind
from worklist.routing_lines import Lines, Path
from worklist.routing_rules import Condition
from worklist.routing_words import Phrases, fold_phrase

Choice = TypeVar("Choice", bound=StrEnum)
LONGEST_TURNAROUND = 90 * 24
OLDEST = 130
USUAL_NAMES = {"MRI": "MR", "PET": "PT", "XR": "CR", "USS": "US", "MAMMO": "MG", "CTA": "CT", "ULTRASOUND": "US"}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and where."""

    line: int
    reason: str


@dataclass(slots=True)
class Checker:
    """One file's lines and word lists, and the mistakes found in it so far."""

    lines: Lines
    mistakes: list[Mistake] = field(default_factory=list)
    word_lists: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def mistake(self, path: Path, reason: str, value: str = "") -> None:
        """Note a mistake at a key, or at a string in its value."""
        self.mistakes.append(Mistake(self.lines.of(path, value), reason))

    def keys(self, path: Path, table: object, must: Iterable[str], may: Iterable[str]) -> Mapping[str, object]:
        """A table without the keys that do not belong there."""
        if not isinstance(table, dict):
            self.mistake(path, f"{_named(path)} must be a table, not {_kind(table)}")
            return {}
        allowed = [*must, *may]
        unknown = {name: _closest(name, allowed) for name in table if name not in allowed}
        for name, close in unknown.items():
            self.mistake((*path, name), f"unknown field “{name}”{_meant(close)}")
        for name in sorted(set(must) - table.keys() - set(unknown.values())):
            self.mistake(path, f"{_named(path)} has no “{name}”")
        return {name: value for name, value in table.items() if name in allowed}

    def name(self, path: Path, value: object) -> str:
        """A name that people will read."""
        if isinstance(value, str) and value.strip():
            return value.strip()
        self.mistake(path, f"“{path[-1]}” must be some text, not {_kind(value)}")
        return ""

    def number(self, path: Path, value: object, most: float) -> float:
        """More than zero, and not absurd."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.mistake(path, f"“{path[-1]}” must be a number, not {_kind(value)}")
        elif not 0 < value <= most:
            self.mistake(path, f"“{path[-1]}” must be more than 0 and at most {most:g}, not {value:g}")
        else:
            return float(value)
        return most

    def choice(self, path: Path, value: object, choices: type[Choice]) -> Choice:
        """One of a fixed list."""
        names = [each.value for each in choices]
        if isinstance(value, str) and value in names:
            return choices(value)
        said = f"“{value}”" if isinstance(value, str) else _kind(value)
        self.mistake(
            path, f"unknown {path[-1]} {said}{_meant(_closest(str(value), names))} (one of: {', '.join(names)})"
        )
        return choices(names[0])

    def words(self, path: Path, value: object) -> tuple[str, ...]:
        """A list of words or codes, none of them empty."""
        if not isinstance(value, list) or not value:
            self.mistake(path, f"“{path[-1]}” must be a list of at least one text, not {_kind(value)}")
            return ()
        for each in value:
            if not isinstance(each, str):
                self.mistake(path, f"“{path[-1]}” may hold texts only, not {_kind(each)}")
            elif not fold_phrase(each).strip("* ~"):
                self.mistake(path, f"“{each}” has no letter or digit, so it would match everything or nothing", each)
        return tuple(each for each in value if isinstance(each, str))

    def codes(self, path: Path, asked: Field, value: object) -> tuple[str, ...]:
        """A list of codes, each of them one that there is."""
        written = self.words(path, value)
        for each in written:
            self._code(path, asked, each)
        return written

    def conditions(self, path: Path, table: object) -> tuple[Condition, ...]:
        """What a rule asks for (`match`) or leaves out (`unless`)."""
        fields = self.keys(path, table, (), FIELDS)
        if isinstance(table, dict) and not table:
            self.mistake(path, f"“{path[-1]}” is empty: it would match every study; that is what [fallback] is for")
        return tuple(self._condition((*path, name), FIELDS[name], value) for name, value in fields.items())

    def _condition(self, path: Path, asked: Field, value: object) -> Condition:
        if asked.kind is Kind.YEARS:
            years = self.number(path, value, OLDEST)
            return Condition(asked, (f"{years:g}",), years=years)
        if asked.kind is Kind.CODES:
            written = self.codes(path, asked, value)
            return Condition(asked, written, (Phrases(written, whole=True),))
        written = self.words(path, value)
        expanded = [self.expanded(path, each) for each in written]
        if asked.kind is Kind.WORDS:
            expanded = [tuple(dict.fromkeys(word for each in expanded for word in each))]
        return Condition(asked, written, tuple(Phrases(each) for each in expanded))

    def _code(self, path: Path, asked: Field, code: str) -> None:
        if asked.codes and code.upper() not in asked.codes:
            usual = USUAL_NAMES.get(code.upper(), "") if asked.name == "modality" else ""
            meant = f"; DICOM calls it “{usual}”" if usual else _meant(_closest(code.upper(), asked.codes))
            self.mistake(path, f"unknown {asked.name} “{code}”{meant}", code)

    def expanded(self, path: Path, word: str) -> tuple[str, ...]:
        """The words that one entry stands for: itself, or those of the list that it names ("@chest")."""
        if not word.startswith("@"):
            return (word,)
        if word[1:] not in self.word_lists:
            self.mistake(path, f"there is no word list “{word[1:]}”{_meant(_closest(word[1:], self.word_lists))}", word)
        return self.word_lists.get(word[1:], ())


def _closest(name: str, known: Iterable[str]) -> str:
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), "")


def _meant(close: str) -> str:
    return f"; did you mean “{close}”?" if close else ""


def _named(path: Path) -> str:
    return " ".join(f"“{each}”" for each in path if isinstance(each, str)) or "the file"


KINDS: Mapping[type, str] = {str: "a text", bool: "true or false", int: "a number", float: "a number", dict: "a table"}


def _kind(value: object) -> str:
    if value in ("", []):
        return "an empty one"
    if value in (inf, -inf):
        return "infinity"
    return KINDS.get(type(value), "a list" if isinstance(value, list) else "a date or time")
