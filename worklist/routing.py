"""Which subspecialty reads a study, how soon, and why: the rules of config/routing.toml, applied.

Rules are tried in the order of the file and the first that fits decides. A region is looked for in what was ordered
(study description, procedure); only if no rule finds one there, in the body part as well; and then in the series
descriptions. Urgency is decided beside that, and only ever makes a case more pressing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from worklist.routing_facts import Scope, Seen, Source, StudyFacts, see
from worklist.routing_file import RuleFileError, read_rules
from worklist.routing_rules import PRIORITY_ORDER, Fallback, Priority, Rule, RuleSet, Urgency
from worklist.subspecialties import Subspecialty

NEAREST = 5


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a study goes; `why` is a sentence that names the facts which decided."""

    rule: str
    subspecialty: Subspecialty
    priority: Priority
    turnaround_hours: float
    why: str


Route = Callable[[StudyFacts], Routed]
"""How a study is decided about, wherever a case is opened or its request changes."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A rule that did not decide, and why."""

    rule: str
    subspecialty: Subspecialty
    why_not: str


@dataclass(frozen=True, slots=True)
class Routing:
    """The rules in force."""

    rules: RuleSet

    def route(self, facts: StudyFacts) -> Routed:
        """Decide about one study. Always answers: what no rule knows goes to a coordinator."""
        rule, seen = self._decide(see(facts, self.rules.denial))
        return self._routed(rule, seen)

    def explain(self, facts: StudyFacts, nearest: int = NEAREST) -> tuple[Routed, tuple[NearMiss, ...]]:
        """Decide, and tell of the rules that came closest to deciding: least missing first, then by their order."""
        chosen, seen = self._decide(see(facts, self.rules.denial))
        missed = [
            (len(obstacles), NearMiss(rule.name, rule.subspecialty, _why_not(obstacles, chosen)))
            for rule in self.rules.rules
            if rule is not chosen and len(obstacles := rule.asks.obstacles(seen)) < len(rule.asks.match)
        ]
        missed.sort(key=lambda each: each[0])
        return self._routed(chosen, seen), tuple(miss for _, miss in missed[:nearest])

    def _decide(self, seen: Seen) -> tuple[Rule | Fallback, Seen]:
        for scope in Scope:
            seen = replace(seen, scope=scope)
            rule = next((each for each in self.rules.rules if each.asks.met(seen)), None)
            if rule is not None and rule.asks.asks_region:
                break
        return rule or self.rules.fallback, seen

    def _routed(self, rule: Rule | Fallback, seen: Seen) -> Routed:
        if isinstance(rule, Rule):
            why = f"Rule “{rule.name}”: {rule.asks.because(seen)}."
        else:
            why = f"{rule.name}: {_known(seen)}."
        routed = Routed(rule.name, rule.subspecialty, rule.priority, rule.turnaround_hours, why)
        urgency = next((each for each in self.rules.urgencies if each.asks.met(seen)), None)
        return _hastened(routed, urgency, seen) if urgency else routed


def _hastened(routed: Routed, urgency: Urgency, seen: Seen) -> Routed:
    return replace(
        routed,
        priority=max(routed.priority, urgency.priority, key=PRIORITY_ORDER.index),
        turnaround_hours=min(routed.turnaround_hours, urgency.turnaround_hours),
        why=f"{routed.why} Urgency “{urgency.name}”: {urgency.asks.because(seen)}.",
    )


def _why_not(obstacles: tuple[str, ...], chosen: Rule | Fallback) -> str:
    return "; ".join(obstacles) if obstacles else f"it fits too, but “{chosen.name}” comes first"


def _known(seen: Seen) -> str:
    told = [
        f"{source} {', '.join(f'“{text.raw[:40]}”' for text in seen.texts[source][:4])}"
        for source in (Source.MODALITY, Source.STUDY_DESCRIPTION, Source.BODY_PART)
        if seen.texts[source]
    ]
    return ", ".join(told) or "a study that says neither modality nor region"


def load_rules(path: Path) -> Routing:
    """Read a rule file. Raises RuleFileError, which names file, line and reason of every mistake."""
    return Routing(read_rules(path))


__all__ = ["NearMiss", "Priority", "Route", "Routed", "Routing", "RuleFileError", "StudyFacts", "load_rules"]
