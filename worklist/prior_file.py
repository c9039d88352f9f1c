"""The file of rules about earlier studies, read and checked: a mistake is refused at start, with line and reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from worklist.prior_rules import PriorRules
from worklist.routing_check import Checker, Mistake
from worklist.routing_facts import FIELDS
from worklist.routing_file import RuleFileError, read_text
from worklist.routing_lines import Path as Key
from worklist.routing_lines import find_lines, line_of_syntax_error
from worklist.routing_words import Phrases

MOST, LONGEST_YEARS, MOST_IMAGES = 50, 100, 20_000
WordLists = Mapping[str, tuple[str, ...]]


def read_prior_rules(path: Path, word_lists: WordLists) -> PriorRules:
    """Read and check a file; `word_lists` are those of the routing file, of which regions may be made.

    Raises RuleFileError with every mistake in it.
    """
    text = read_text(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        mistake = Mistake(line_of_syntax_error(error, text), f"this is not TOML: {error}")
        raise RuleFileError(path, [mistake]) from error
    check = Checker(find_lines(text), word_lists=dict(word_lists))
    rules = _rules(check, content)
    if check.mistakes:
        raise RuleFileError(path, check.mistakes)
    return rules


def _rules(check: Checker, content: Mapping[str, object]) -> PriorRules:
    given = check.keys((), content, ("most", "years", "most_images", "regions"), ("never_alone", "kinds"))
    modality, never_alone = FIELDS["modality"], given.get("never_alone")
    return PriorRules(
        most=int(check.number(("most",), given.get("most", 1), MOST)),
        years=check.number(("years",), given.get("years", 1), LONGEST_YEARS),
        most_images=int(check.number(("most_images",), given.get("most_images", 1), MOST_IMAGES)),
        never_alone=frozenset(check.codes(("never_alone",), modality, never_alone) if never_alone else ()),
        regions=_regions(check, given.get("regions", {})),
        kinds=_kinds(check, given.get("kinds", {})),
    )


def _regions(check: Checker, value: object) -> dict[str, Phrases]:
    return {name: Phrases(_words(check, ("regions", name), each)) for name, each in _table(check, "regions", value)}


def _kinds(check: Checker, value: object) -> dict[str, frozenset[str]]:
    asked = FIELDS["modality"]
    return {name: frozenset(check.codes(("kinds", name), asked, each)) for name, each in _table(check, "kinds", value)}


def _table(check: Checker, name: str, value: object) -> Iterable[tuple[str, object]]:
    names = list(value) if isinstance(value, dict) else []
    return check.keys((name,), value, (), names).items()


def _words(check: Checker, path: Key, value: object) -> tuple[str, ...]:
    expanded = (word for each in check.words(path, value) for word in check.expanded(path, each))
    return tuple(dict.fromkeys(expanded))
