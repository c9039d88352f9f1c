"""The fields of an opinion as they come over the API. Each reader notes what is wrong and carries on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sr_reports.errors import InvalidOpinion

LONGEST = 50_000  # characters in one field: about fifteen printed pages
MOST_ANSWERS = 50


def parse_object(body: object, known: frozenset[str], wrong: dict[str, str]) -> Mapping[str, object]:
    """The body as a mapping; a field outside `known` is noted, so that a misspelt name does not lose text."""
    if not isinstance(body, Mapping):
        raise InvalidOpinion({"body": "must be a JSON object"})
    for name in body:
        if name not in known:
            wrong[str(name)[:64]] = f"is not a field of an opinion; the fields are {', '.join(sorted(known))}"
    return body


def parse_text(fields: Mapping[str, object], name: str, wrong: dict[str, str], path: str = "") -> str:
    """A text with LF line ends and without tabs; "" when absent or null."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        wrong[path or name] = "must be text"
        return ""
    if len(value) > LONGEST:
        wrong[path or name] = f"is too long: {len(value):,} characters, at most {LONGEST:,} fit"
    return value.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "").expandtabs(4)


def parse_choice(fields: Mapping[str, object], name: str, choices: Sequence[str], wrong: dict[str, str]) -> str:
    """One of `choices`; "" when absent, null or empty."""
    value = fields.get(name) or ""
    if value and value not in choices:
        wrong[name] = f"must be one of {', '.join(choices)}"
        return ""
    return str(value)


def parse_answers(fields: Mapping[str, object], name: str, wrong: dict[str, str]) -> list[tuple[str, str]]:
    """Pairs of question and answer, in the order given."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        wrong[name] = "must be a list"
        return []
    if len(value) > MOST_ANSWERS:
        wrong[name] = f"has too many entries: {len(value)}, at most {MOST_ANSWERS} fit"
        return []
    return [_pair(entry, f"{name}[{index}]", wrong) for index, entry in enumerate(value)]


def _pair(entry: object, path: str, wrong: dict[str, str]) -> tuple[str, str]:
    if not isinstance(entry, Mapping) or set(entry) - {"question", "answer"}:
        wrong[path] = 'must be an object with "question" and "answer"'
        return "", ""
    question = parse_text(entry, "question", wrong, f"{path}.question")
    if not question.strip():
        wrong.setdefault(f"{path}.question", "must not be empty")
    return question, parse_text(entry, "answer", wrong, f"{path}.answer")


def refuse_if_any(wrong: Mapping[str, str]) -> None:
    """Raise InvalidOpinion with everything that was noted."""
    if wrong:
        raise InvalidOpinion(wrong)
