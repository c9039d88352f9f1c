"""Typst: a template and data become a PDF that is archivable (PDF/A-2a) and accessible (PDF/UA-1).

Text is handed over as data and never read as markup. The fonts are the machine's; a letter without one is an error.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import typst

from sr_reports.errors import Unreportable
from sr_reports.printable import LOST, SIGN, shown

FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")
LATIN = "Noto Sans"
CHINESE = "Noto Sans CJK SC"
CJK = {"zh": CHINESE, "ja": "Noto Sans CJK JP", "ko": "Noto Sans CJK KR"}
FAMILIES = (
    LATIN,
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Tamil",
    "Noto Sans Telugu",
    "Noto Sans Gujarati",
    "Noto Sans Gurmukhi",
    "Noto Sans Kannada",
    "Noto Sans Malayalam",
    "Noto Sans Sinhala",
    "Noto Sans Thai",
    "Noto Sans Lao",
    "Noto Sans Khmer",
    "Noto Sans Myanmar",
    "Noto Sans Ethiopic",
    "Noto Sans Armenian",
    "Noto Sans Georgian",
    "Noto Sans Math",
    "Noto Sans Symbols",
    "Noto Sans Symbols2",
)
Written = Sequence[tuple[str, str]]
"""What the reader wrote, each text with the name of its place."""
_NO_GLYPH = re.compile(r'(?:the text|codepoint) `"(.*?)"`', re.DOTALL)
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")


def missing_fonts() -> tuple[str, ...]:
    """The families without which common names cannot be printed; empty on a machine that is set up."""
    installed = set(_fonts().families())
    return tuple(family for family in (*FAMILIES[:4], CHINESE) if family not in installed)


def prepare() -> None:
    """Find the fonts now rather than with the first report."""
    _families()


def typeset(template: Path, data: Mapping[str, object], moment: datetime, written: Written = ()) -> bytes:
    """The template with `data` in `sys.inputs.data`. The same data and moment give the same bytes.

    A pictograph that no font has is printed as its name in brackets, anything else as a sign that something is lost.
    Raises Unreportable for such a letter in `written`, naming it and its place.
    """
    text = json.dumps({**data, "fonts": _families()}, ensure_ascii=False)
    while True:
        try:
            return _compiled(template, text, moment)
        except typst.TypstError as error:
            missing = [each for each in _missing_glyphs(error) if each in text and each != SIGN]
            if not missing:
                raise
        _refuse_letters(missing, written)
        for each in missing:
            text = text.replace(each, _instead(each))


def _refuse_letters(missing: list[str], written: Written) -> None:
    letters = [each for each in missing if not _is_pictograph(each)]
    for place, text in written:
        if found := [each for each in letters if each in text]:
            raise Unreportable(f"No font can print this in the {place}: {', '.join(found)}. Write it differently.")


def _instead(missing: str) -> str:
    return f"[{unicodedata.name(missing[0], 'symbol').lower()}]" if _is_pictograph(missing) else LOST


def _is_pictograph(text: str) -> bool:
    return unicodedata.category(text[0]) == "So"


def _compiled(template: Path, text: str, moment: datetime) -> bytes:
    compiler = typst.Compiler(template, root=template.parent, font_paths=_fonts(), ignore_system_fonts=True)
    pdf = compiler.compile(
        format="pdf",
        sys_inputs={"data": shown(text), "lost": "yes" if LOST in text else ""},
        pdf_standards=["a-2a", "ua-1"],
        timestamp=int(moment.astimezone(UTC).timestamp()),
    )
    if not isinstance(pdf, bytes):
        raise TypeError("typst returned no PDF")
    return pdf


@cache
def _fonts() -> typst.Fonts:
    """Found once for each process: it takes a tenth of a second."""
    folders = [Path(folder) for folder in FONT_FOLDERS if Path(folder).is_dir()]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=list(folders))


@cache
def _families() -> dict[str, list[str]]:
    """For each language, the families to try in order: Han letters have the shapes of the language they stand in."""
    installed = set(_fonts().families())
    return {
        tag: [
            each for each in (*FAMILIES, CJK.get(tag, CHINESE), "DejaVu Sans", "DejaVu Sans Mono") if each in installed
        ]
        for tag in ("en", *CJK)
    }


def _missing_glyphs(error: typst.TypstError) -> list[str]:
    """The texts that typst names as without a glyph. It escapes what is invisible."""
    found = _NO_GLYPH.findall(error.diagnostic or error.message)
    return list(dict.fromkeys(_ESCAPED.sub(lambda code: chr(int(code.group(1), 16)), each) for each in found))
