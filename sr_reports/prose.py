"""Free text, taken apart: what cannot be printed in it, its paragraphs and lists, its script and direction."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

_LIST_LINE = re.compile(r"^\s*(?:[-*•–]|(\d{1,2})[.)])\s+(?=\S)")
_LONG_WORD = re.compile(r"[!-~]{41,}")
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


class _Run(NamedTuple):
    listed: bool
    lines: list[str]
    marks: list[str]


def unprintable(text: str) -> tuple[str, ...]:
    """The characters of `text` that no report can carry, as people can look them up: "U+0007"."""
    found = set("".join(text.split()).replace("\ufeff", ""))
    bad = {char for char in found if is_unprintable(char)}
    return tuple(f"U+{ord(char):04X}" for char in sorted(bad))


def is_unprintable(char: str) -> bool:
    """Whether no report can carry this character; a line end is none."""
    return char in _DECEIVING or (char != "\n" and unicodedata.category(char) in _UNPRINTABLE)


def clean(text: str) -> str:
    """`text` with LF line ends, blanks for tabs, and without control characters and byte order marks."""
    lines = "\n".join(line.expandtabs(4).rstrip() for line in text.splitlines())
    return "".join(char for char in lines if char == "\n" or (char != "\ufeff" and unicodedata.category(char) != "Cc"))


def one_line(text: str) -> str:
    """`clean` text in one line, with single blanks."""
    return " ".join(clean(text).split())


def paragraphs(text: str) -> tuple[str, ...]:
    """What blank lines divide, cleaned. Lines within a paragraph end in LF."""
    return tuple(part.strip("\n") for part in re.split(r"\n{2,}", clean(text)) if part.strip())


def wrappable(text: str) -> str:
    """`text` with invisible places to break in words that are too long for a line, as addresses and UIDs are."""
    return _LONG_WORD.sub(lambda word: "\u200b".join(re.findall(".{1,20}", word.group())), text)


def blocks(text: str) -> tuple[Block, ...]:
    """Paragraphs and lists in reading order. Lines that start with "- ", "* ", "•" or "1. " are a list."""
    found: list[_Run] = []
    for paragraph in paragraphs(text):
        found.extend(_runs(paragraph))
    return tuple(_block(run) for run in found)


def _runs(paragraph: str) -> list[_Run]:
    """The paragraph as runs of lines that are all items of a list, or all not."""
    runs: list[_Run] = []
    for line in paragraph.split("\n"):
        mark = _LIST_LINE.match(line)
        if runs and runs[-1].listed and not mark and line.startswith(" "):  # a wrapped line of the item above
            runs[-1].lines[-1] += " " + line.strip()
            continue
        if not runs or runs[-1].listed is not bool(mark):
            runs.append(_Run(bool(mark), [], []))
        runs[-1].lines.append(line[mark.end() :] if mark else line.strip())
        runs[-1].marks.append((mark.group(1) or "") if mark else "")
    return runs


def _block(run: _Run) -> Block:
    text = "\n".join(run.lines)
    return Block(tuple(run.lines), tuple(run.marks) if run.listed else (), language(text), right_to_left(text))


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
