"""The generated parts of docs/reference/routing.md: `python -m worklist.routing_docs` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from worklist.routing_denial import Denial
from worklist.routing_facts import FIELDS, Kind
from worklist.routing_file import read_rules
from worklist.routing_rules import Condition, Match, Rule, RuleSet
from worklist.subspecialties import SUBSPECIALTIES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "routing.md"
SHIPPED = ROOT / "config" / "routing.toml"


def page(text: str, rules: RuleSet) -> str:
    """The page with every generated table as the code and the rules have it."""
    tables = {
        "fields": _table(("field", "holds", "looks at"), _fields()),
        "subspecialties": _table(("subspecialty", "shown as", "covers"), _subspecialties()),
        "rules": _table(("", "rule", "goes to", "hours", "asks for", "unless"), _rules(rules)),
        "urgencies": _table(("", "urgency", "priority", "hours", "asks for"), _urgencies(rules)),
        "denials": _table(("", "words"), _denials(rules.denial)),
    }
    for name, table in tables.items():
        marked = re.compile(rf"(<!-- {name}: generated -->\n).*?(<!-- end -->)", re.DOTALL)
        text = marked.sub(lambda found, table=table: f"{found[1]}\n{table}\n{found[2]}", text)  # type: ignore[misc]
    return text


def _fields() -> Iterator[tuple[str, ...]]:
    for field in FIELDS.values():
        codes = f" ({', '.join(sorted(field.codes))})" if 0 < len(field.codes) < 10 else ""
        yield f"`{field.name}`", f"{field.kind}{codes}", field.meaning


def _subspecialties() -> Iterator[tuple[str, ...]]:
    for value, described in SUBSPECIALTIES.items():
        yield f"`{value}`", described.label, described.covers


def _rules(rules: RuleSet) -> Iterator[tuple[str, ...]]:
    for number, rule in enumerate(rules.rules, 1):
        yield str(number), *_decision(rule), _conditions(rule.asks.match), _conditions(rule.asks.unless)
    last = rules.fallback
    yield "", last.name, f"`{last.subspecialty}`", f"{last.turnaround_hours:g}", "", ""


def _denials(denial: Denial) -> Iterator[tuple[str, str]]:
    lists = (("denies what follows", denial.words), ("denies nothing", denial.unless), ("ends a denial", denial.ends))
    for name, phrases in lists:
        yield name, ", ".join(phrases.written).replace("*", "\\*")


def _decision(rule: Rule) -> tuple[str, str, str]:
    urgent = "" if rule.priority == "routine" else f", {rule.priority}"
    return rule.name, f"`{rule.subspecialty}`", f"{rule.turnaround_hours:g}{urgent}"


def _urgencies(rules: RuleSet) -> Iterator[tuple[str, ...]]:
    for number, each in enumerate(rules.urgencies, 1):
        yield str(number), each.name, each.priority, f"{each.turnaround_hours:g}", _all_conditions(each.asks)


def _all_conditions(asks: Match) -> str:
    unless = f"; unless {_conditions(asks.unless)}" if asks.unless else ""
    return _conditions(asks.match) + unless


def _conditions(conditions: tuple[Condition, ...]) -> str:
    named = ("age" if each.field.kind is Kind.YEARS else each.field.name for each in conditions)
    return "; ".join(f"{name} {each.wish()}".replace("*", "\\*") for name, each in zip(named, conditions, strict=True))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), read_rules(SHIPPED)), encoding="utf-8")
