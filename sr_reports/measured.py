"""What was measured, out of a measurement report (TID 1500) in the DICOM JSON model (PS3.18 annex F).

https://dicom.nema.org/medical/dicom/current/output/chtml/part16/chapter_A.html#sect_TID_1500

Nothing that an object says makes it fail: what is not written as the template has it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sr_reports.prose import one_line

Item = Mapping[str, Any]

MEASUREMENT_GROUP: Final = "125007"
TRACKING: Final = "112039"
FINDINGS: Final = frozenset({"121071"})
SITES: Final = frozenset({"363698007", "G-C0E3"})
UNITS: Final[Mapping[str, str]] = {
    "1": "",
    "mm2": "mm²",
    "mm3": "mm³",
    "cm2": "cm²",
    "cm3": "cm³",
    "[hnsf'U]": "HU",
    "deg": "°",
}
LONGEST: Final = 200
DEEPEST: Final = 32
MOST: Final = 500

VALUE_TYPE, CONCEPT, CONTENT, CODE, TEXT = "0040A040", "0040A043", "0040A730", "0040A168", "0040A160"
MEASURED, NUMBER, UNIT, CODE_VALUE, MEANING = "0040A300", "0040A30A", "004008EA", "00080100", "00080104"


@dataclass(frozen=True, slots=True)
class Measured:
    """One number with its name and unit: Length, 23.4, mm."""

    name: str
    value: str
    unit: str

    @property
    def text(self) -> str:
        """Length 23.4 mm."""
        return " ".join(part for part in (self.name, self.value, self.unit) if part)


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs together: one thing that was measured. `tool` is what the viewer calls it."""

    tool: str
    findings: tuple[str, ...]
    sites: tuple[str, ...]
    values: tuple[Measured, ...]

    @property
    def title(self) -> str:
        """Lesion, left lung; the tool's name where nobody said what it is."""
        return ", ".join((*self.findings, *self.sites)) or self.tool

    @property
    def text(self) -> str:
        """One line for a report; "" where nothing was measured and nothing said."""
        values = ", ".join(value.text for value in self.values)
        return ": ".join(part for part in (", ".join((*self.findings, *self.sites)), values) if part)


def groups(metadata: Item) -> tuple[Group, ...]:
    """The measurement groups of one SR document, in its order; at most `MOST`."""
    found = (_group(item) for item in _containers(metadata, 0))
    return tuple(group for _, group in zip(range(MOST), found, strict=False))


def _containers(item: Item, depth: int) -> Iterator[Item]:
    if _code(item, CONCEPT)[0] == MEASUREMENT_GROUP:
        yield item
    elif depth < DEEPEST:
        for child in _items(item, CONTENT):
            yield from _containers(child, depth + 1)


def _group(item: Item) -> Group:
    children = list(_items(item, CONTENT))
    tracked = [_text(child, TEXT) for child in children if _code(child, CONCEPT)[0] == TRACKING]
    return Group(
        tool=(tracked[0] if tracked else "").rpartition(":")[2] or "Measurement",
        findings=_said(children, FINDINGS),
        sites=_said(children, SITES),
        values=tuple(value for child in children if (value := _measured(child)) is not None),
    )


def _said(children: list[Item], concepts: frozenset[str]) -> tuple[str, ...]:
    meanings = (_code(child, CODE)[1] for child in children if _code(child, CONCEPT)[0] in concepts)
    return tuple(dict.fromkeys(meaning for meaning in meanings if meaning))


def _measured(item: Item) -> Measured | None:
    for value in _items(item, MEASURED):
        try:
            number = float(_text(value, NUMBER))
        except ValueError:
            return None
        unit = _code(value, UNIT)[0]
        return Measured(_code(item, CONCEPT)[1], _rounded(number), UNITS.get(unit, unit))
    return None


def _rounded(number: float) -> str:
    """Two decimals, which is finer than any screen; small numbers by three digits."""
    return f"{number:.3g}" if abs(number) < 0.1 else f"{number:.2f}".rstrip("0").rstrip(".")


def _code(item: Item, tag: str) -> tuple[str, str]:
    """Value and meaning of a coded entry; "" where there is none."""
    for code in _items(item, tag):
        return _text(code, CODE_VALUE), _text(code, MEANING)
    return "", ""


def _items(item: Item, tag: str) -> Iterator[Item]:
    return (one for one in _values(item, tag) if isinstance(one, Mapping))


def _text(item: Item, tag: str) -> str:
    for one in _values(item, tag):
        return one_line(str(one))[:LONGEST] if isinstance(one, str | int | float) else ""
    return ""


def _values(item: Item, tag: str) -> list[Any]:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values if isinstance(values, list) else []
