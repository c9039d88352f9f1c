"""Rules as data: what each asks for, whether a study has it, and how to say so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from worklist.routing_denial import Denial
from worklist.routing_facts import Field, Kind, Seen, Source
from worklist.routing_words import Phrases
from worklist.subspecialties import Subspecialty

LONGEST_QUOTE = 80


class Priority(StrEnum):
    """How pressing a case is, the least first."""

    ROUTINE = "routine"
    URGENT = "urgent"
    STAT = "stat"


PRIORITY_ORDER = tuple(Priority)


@dataclass(frozen=True, slots=True)
class Hit:
    """One fact that met a condition: where it stands, what stands there, and the word of the rule found in it."""

    source: Source
    raw: str
    word: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One field of a rule: met if each of `lists` is found, or if the age is on the right side of `years`."""

    field: Field
    written: tuple[str, ...]  # as the file has it: words, codes, "@list"
    lists: tuple[Phrases, ...] = ()
    years: float = 0.0

    def met(self, seen: Seen) -> tuple[Hit, ...]:
        """What in the study meets it; empty if nothing does."""
        if self.field.kind is Kind.YEARS:
            return self._age_met(seen.age)
        hits = [self._find(phrases, seen) for phrases in self.lists]
        return tuple(hit for hit in hits if hit) if all(hits) else ()

    def missing(self, seen: Seen) -> str:
        """Why the study does not meet it, in words."""
        sources = seen.sources(self.field)
        where = sources[0] if self.field.sources else "region"
        if where is Source.HISTORY:
            return f"{self.field.name} {self.wish()}, which nobody wrote or which is denied"
        values = [text.raw for source in sources for text in seen.texts.get(source, ())]
        if self.field.kind is Kind.YEARS:
            values = [] if seen.age is None else [f"{seen.age:.1f}"]
        return f"{where} {self.wish()} (here: {_some(values) or 'unknown'})"

    def wish(self) -> str:
        """What it asks for: "CT or MR", "@chest and @abdomen", "below 16"."""
        if self.field.kind is Kind.YEARS:
            return f"{'from' if self.field.name == 'age_from' else 'below'} {self.years:g}"
        return (" and " if self.field.kind is Kind.EVERY else " or ").join(_shortened(self.written))

    def _age_met(self, age: float | None) -> tuple[Hit, ...]:
        if age is None or (age >= self.years) is not (self.field.name == "age_from"):
            return ()
        side = "at least" if self.field.name == "age_from" else "below"
        return (Hit(Source.AGE, f"{age:.1f}".removesuffix(".0"), f"{side} {self.years:g}"),)

    def _find(self, phrases: Phrases, seen: Seen) -> Hit | None:
        for source in seen.sources(self.field):
            for text in seen.texts.get(source, ()):
                if word := phrases.found(text.folded, text.denied):
                    return Hit(source, text.raw, word)
        return None


def tell(hits: Iterable[Hit]) -> str:
    """Facts in words; of a history never more than the words that were found in it."""
    words: dict[tuple[Source, str], list[str]] = {}
    for hit in hits:
        words.setdefault((hit.source, hit.raw), []).append(hit.word)
    return ", ".join(_told(source, raw[:LONGEST_QUOTE], found) for (source, raw), found in words.items())


def _told(source: Source, raw: str, words: list[str]) -> str:
    quoted = " and ".join(f"“{word}”" for word in dict.fromkeys(words))
    match source:
        case Source.HISTORY:
            return f"history says {quoted}"
        case Source.STUDY_DESCRIPTION | Source.SERIES_DESCRIPTION | Source.PROCEDURE:
            return f"{source} “{raw}” has {quoted}"
        case Source.AGE:
            return f"age {raw} is {' and '.join(words)}"
        case _:
            return f"{source} {raw}"


def _some(values: Iterable[str]) -> str:
    return ", ".join(f"“{each[:LONGEST_QUOTE]}”" for each in _shortened(tuple(dict.fromkeys(values))))


def _shortened(values: tuple[str, ...], most: int = 4) -> list[str]:
    return [*values[:most], *(["…"] if len(values) > most else [])]


@dataclass(frozen=True, slots=True)
class Match:
    """All of `match` must be met and none of `unless`."""

    match: tuple[Condition, ...]
    unless: tuple[Condition, ...] = ()

    @property
    def asks_region(self) -> bool:
        """Whether it depends on how far regions are looked for."""
        return any(not each.field.sources for each in self.match)

    def met(self, seen: Seen) -> bool:
        """Whether the study is one of these."""
        return all(each.met(seen) for each in self.match) and not any(each.met(seen) for each in self.unless)

    def because(self, seen: Seen) -> str:
        """What in the study met it."""
        return tell(hit for each in self.match for hit in each.met(seen))

    def obstacles(self, seen: Seen) -> tuple[str, ...]:
        """Each reason why a study is not one of these; empty if it is."""
        lacking = [f"it asks for {each.missing(seen)}" for each in self.match if not each.met(seen)]
        excluded = [f"it leaves out {tell(hits)}" for each in self.unless if (hits := each.met(seen))]
        return (*lacking, *excluded)

    def covers(self, other: Match) -> bool:
        """Whether every study that meets the other surely meets this one too."""
        narrower = all(any(_implies(theirs, mine) for theirs in other.match) for mine in self.match)
        return narrower and all(any(_implies(mine, theirs) for theirs in other.unless) for mine in self.unless)


def _implies(one: Condition, other: Condition) -> bool:
    """Whether a study that meets `one` surely meets `other`."""
    if one.field.name != other.field.name:
        return False
    if one.field.kind is Kind.YEARS:
        return one.years >= other.years if one.field.name == "age_from" else one.years <= other.years
    return all(any(mine.folded <= theirs.folded for mine in one.lists) for theirs in other.lists)


@dataclass(frozen=True, slots=True)
class Rule:
    """Studies of one kind and who reads them."""

    name: str
    subspecialty: Subspecialty
    priority: Priority
    turnaround_hours: float
    asks: Match


@dataclass(frozen=True, slots=True)
class Urgency:
    """What makes a study more pressing, whoever reads it."""

    name: str
    priority: Priority
    turnaround_hours: float
    asks: Match


@dataclass(frozen=True, slots=True)
class Fallback:
    """What happens with a study that no rule knows."""

    name: str
    subspecialty: Subspecialty
    priority: Priority
    turnaround_hours: float


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything that a rule file says, in its order."""

    rules: tuple[Rule, ...]
    urgencies: tuple[Urgency, ...]
    fallback: Fallback
    words: tuple[tuple[str, tuple[str, ...]], ...] = ()
    denial: Denial = Denial()
