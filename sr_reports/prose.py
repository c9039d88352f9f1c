"""A reader's free text, taken apart: what cannot be printed in it, its paragraphs and lists, its script and direction."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_LIST_LINE = re.compile(r"^\s*(?:[-*•–]|(\d{1,2})[.)])\s+(?=\S)")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Cn"})  # controls, lone surrogates, private use, unassigned
_DECEIVING = frozenset("\u202d\u202e\ufffd\ufffc")  # overrides of direction; signs that something was lost before us
_SCRIPTS = (  # the first word of a letter's Unicode name, and the language by which its shapes are chosen
    ("HANGUL", "ko"),
    ("HIRAGANA", "ja"),
    ("KATAKANA", "ja"),
    ("CJK", "zh"),
    ("ARABIC", "ar"),
    ("HEBREW", "he"),
    ("DEVANAGARI", "hi"),
    ("BENGALI", "bn"),
    ("TAMIL", "ta"),
    ("THAI", "th"),
    ("ETHIOPIC", "am"),
    ("GREEK", "el"),
    ("CYRILLIC", "ru"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph (`marks` is empty), or a list with one mark for each line: "" for a bullet, else its number."""

    lines: tuple[str, ...]
    marks: tuple[str, ...]
    language: str
    rtl: bool


def unprintable(text: str) -> tuple[str, ...]:
    """The characters of `text` that no report can carry, as people can look them up: "U+0007"."""
    bad = {char for char in text if char != "\n" and (char in _DECEIVING or unicodedata.category(char) in _UNPRINTABLE)}
    return tuple(f"U+{ord(char):04X}" for char in sorted(bad))


def paragraphs(text: str) -> tuple[str, ...]:
    """What blank lines divide, without blanks at the ends of lines. Lines within a paragraph end in LF."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return tuple(part.strip("\n") for part in re.split(r"\n{2,}", lines) if part.strip())


def blocks(text: str) -> tuple[Block, ...]:
    """Paragraphs and lists in reading order. Lines that start with "- ", "* ", "•" or "1. " are a list."""
    found: list[tuple[bool, list[str], list[str]]] = []
    for paragraph in paragraphs(text):
        previous: bool | None = None
        for line in paragraph.split("\n"):
            mark = _LIST_LINE.match(line)
            continues = previous and not mark and line.startswith(" ")  # a wrapped line of the item above
            if continues:
                found[-1][1][-1] += " " + line.strip()
                continue
            if previous is not bool(mark):
                found.append((bool(mark), [], []))
            found[-1][1].append(line[mark.end() :] if mark else line.strip())
            found[-1][2].append((mark.group(1) or "") if mark else "")
            previous = bool(mark)
    return tuple(
        Block(tuple(lines), tuple(marks) if listed else (), language("\n".join(lines)), right_to_left("\n".join(lines)))
        for listed, lines, marks in found
    )


def language(text: str) -> str:
    """The language tag by which fonts and hyphens are chosen; "en" where the letters do not say."""
    scripts = {unicodedata.name(char, "").split(" ")[0].split("-")[0] for char in text if char.isalpha()}
    if "LATIN" in scripts:
        scripts -= {"GREEK"}  # an alpha or a mu within Latin text
    return next((tag for script, tag in _SCRIPTS if script in scripts), "en")


def right_to_left(text: str) -> bool:
    """Whether the first letter that has a direction is written from right to left (Unicode bidi, rule P2)."""
    directions = (unicodedata.bidirectional(char) for char in text)
    return next((each != "L" for each in directions if each in {"L", "R", "AL"}), False)
