"""A routing file read and checked: what is wrong in it is refused at start, with file, line and reason.

Its format is described in docs/reference/routing.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from config.errors import Explained
from worklist.routing_check import LONGEST_TURNAROUND, Checker, Mistake
from worklist.routing_denial import Denial
from worklist.routing_lines import Path as Key
from worklist.routing_lines import find_lines, line_of_syntax_error
from worklist.routing_rules import Fallback, Match, Priority, Rule, RuleSet, Urgency
from worklist.routing_words import Phrases
from worklist.subspecialties import Subspecialty

FARTHEST = 20
"""Words that a denial may reach at most."""
DENIAL_LISTS = ("words", "unless", "ends")


class RuleFileError(Explained):
    """The routing file cannot be used: the message has one line for each mistake, "FILE, line N: reason"."""

    def __init__(self, path: Path, mistakes: Sequence[Mistake]) -> None:
        self.path = path
        self.mistakes = tuple(sorted(mistakes, key=lambda each: each.line))
        super().__init__("\n".join(f"{path}, line {each.line}: {each.reason}." for each in self.mistakes))


def read_rules(path: Path) -> RuleSet:
    """Read and check a routing file. Raises RuleFileError with every mistake in it."""
    text = read_text(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        mistake = Mistake(line_of_syntax_error(error, text), f"this is not TOML: {error}")
        raise RuleFileError(path, [mistake]) from error
    check = Checker(find_lines(text))
    rules = _rule_set(check, content)
    if check.mistakes:
        raise RuleFileError(path, check.mistakes)
    _distinct_names(check, rules)
    _all_reachable(check, "rule", rules.rules)
    _all_reachable(check, "urgency", rules.urgencies)
    if check.mistakes:
        raise RuleFileError(path, check.mistakes)
    return rules


def read_text(path: Path) -> str:
    """What is written in a file of rules. Raises RuleFileError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RuleFileError(path, [Mistake(1, f"it cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise RuleFileError(path, [Mistake(line, "it is not written in UTF-8")]) from error


def _rule_set(check: Checker, content: Mapping[str, object]) -> RuleSet:
    known = check.keys((), content, must=("rule", "fallback"), may=("words", "urgency", "denial"))
    lists = known.get("words", {})
    for name, words in check.keys(("words",), lists, (), lists if isinstance(lists, dict) else ()).items():
        check.word_lists[name] = check.words(("words", name), words)
    return RuleSet(
        tuple(_rule(check, key, table) for key, table in _tables(check, known, "rule")),
        tuple(_urgency(check, key, table) for key, table in _tables(check, known, "urgency")),
        _fallback(check, known.get("fallback", {})),
        tuple(check.word_lists.items()),
        _denial(check, known["denial"]) if "denial" in known else Denial(),
    )


def _denial(check: Checker, table: object) -> Denial:
    key: Key = ("denial",)
    given = check.keys(key, table, ("words", "within"), may=("unless", "ends"))
    words, unless, ends = (
        Phrases(check.words((*key, name), given[name]) if name in given else ()) for name in DENIAL_LISTS
    )
    return Denial(words, unless, ends, within=int(check.number((*key, "within"), given.get("within", 1), FARTHEST)))


def _tables(check: Checker, content: Mapping[str, object], kind: str) -> Iterator[tuple[Key, object]]:
    tables = content.get(kind, [])
    if not isinstance(tables, list):
        check.mistake((kind,), f"write [[{kind}]] with two brackets: there may be several, and their order counts")
        return
    for number, table in enumerate(tables):
        yield (kind, number), table


def _rule(check: Checker, key: Key, table: object) -> Rule:
    must = ("name", "subspecialty", "turnaround_hours", "match")
    given = check.keys(key, table, must, may=("priority", "unless"))
    return Rule(
        name=check.name((*key, "name"), given.get("name", "-")),
        subspecialty=check.choice((*key, "subspecialty"), given.get("subspecialty", "unassigned"), Subspecialty),
        priority=check.choice((*key, "priority"), given.get("priority", "routine"), Priority),
        turnaround_hours=_hours(check, key, given),
        asks=_match(check, key, given),
    )


def _urgency(check: Checker, key: Key, table: object) -> Urgency:
    given = check.keys(key, table, ("name", "priority", "turnaround_hours", "match"), may=("unless",))
    return Urgency(
        name=check.name((*key, "name"), given.get("name", "-")),
        priority=check.choice((*key, "priority"), given.get("priority", "urgent"), Priority),
        turnaround_hours=_hours(check, key, given),
        asks=_match(check, key, given),
    )


def _fallback(check: Checker, table: object) -> Fallback:
    key: Key = ("fallback",)
    given = check.keys(key, table, ("name", "turnaround_hours"), may=("subspecialty", "priority")) if table else {}
    return Fallback(
        name=check.name((*key, "name"), given.get("name", "-")),
        subspecialty=check.choice((*key, "subspecialty"), given.get("subspecialty", "unassigned"), Subspecialty),
        priority=check.choice((*key, "priority"), given.get("priority", "routine"), Priority),
        turnaround_hours=_hours(check, key, given),
    )


def _hours(check: Checker, key: Key, given: Mapping[str, object]) -> float:
    return check.number((*key, "turnaround_hours"), given.get("turnaround_hours", 1), LONGEST_TURNAROUND)


def _match(check: Checker, key: Key, given: Mapping[str, object]) -> Match:
    match, unless = (
        check.conditions((*key, part), given[part]) if part in given else () for part in ("match", "unless")
    )
    return Match(match, unless)


def _distinct_names(check: Checker, rules: RuleSet) -> None:
    named: list[tuple[Key, str]] = [(("rule", number), each.name) for number, each in enumerate(rules.rules)]
    named += [(("urgency", number), each.name) for number, each in enumerate(rules.urgencies)]
    named.append((("fallback",), rules.fallback.name))
    first: dict[str, Key] = {}
    for key, name in named:
        earlier = first.setdefault(name.casefold(), key)
        if earlier != key:
            line = check.lines.of((*earlier, "name"))
            check.mistake((*key, "name"), f"there is already something named “{name}”, in line {line}")


def _all_reachable(check: Checker, kind: str, rules: Sequence[Rule | Urgency]) -> None:
    for number, rule in enumerate(rules):
        earlier = next((each for each in rules[:number] if each.asks.covers(rule.asks)), None)
        if earlier is not None:
            key: Key = (kind, number)
            check.mistake(key, f"“{rule.name}” can never decide: “{earlier.name}”, which comes before, takes all of it")
