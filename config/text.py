"""Characters out of bytes, whatever Specific Character Set says (PS3.5 6.1, PS3.3 C.12.1.1.2); nothing here raises."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

ESCAPE: Final = 0x1B
DELIMITERS = frozenset(b"\\\r\n\t\f^=")
"""Each of them ends what an escape sequence began (PS3.5 6.1.2.5.3)."""

UNDECLARED: Final = "undeclared"
_NOT_DEFINED = {"UTF8": "utf_8", "UTF-8": "utf_8", "GB2312": "gb2312"}
"""Terms that the standard does not have, but that are sent."""
_NUMBERED = re.compile(r"ISO[ _-]?(2022)?[ _-]?IR[ _-]?(\d+)")
_WHOLE = frozenset({"iso2022_jp", "iso2022_jp_2"})
"""Codecs that read their escape sequences themselves."""
_ISO_2022 = {code: name for code, name in CODES_TO_ENCODINGS.items() if code[:1] == b"\x1b"}

Charset = tuple[str, ...]
"""Python codecs: the one that values begin in, then those that escape sequences may switch to."""


@lru_cache(maxsize=256)
def charset(declared: bytes) -> Charset:
    """Read a value of Specific Character Set (0008,0005); an unknown term counts as not declared."""
    terms = declared.decode("ascii", "replace").strip(" \0").split("\\")
    return tuple(_codec(term.strip().upper()) for term in terms)


def decode(value: bytes, codecs: Charset) -> str:
    """Decode one value; what cannot be decoded becomes U+FFFD."""
    if value.isascii() and ESCAPE not in value:
        return value.decode("ascii")
    if ESCAPE not in value:
        return _plainly(value, codecs[0])
    parts = value.split(b"\x1b")
    return _plainly(parts[0], codecs[0]) + "".join(_escaped(b"\x1b" + part, codecs[0]) for part in parts[1:])


def _codec(term: str) -> str:
    """Find Python's name for a defined term, however it is spelled."""
    if not term:
        return UNDECLARED
    known = python_encoding.get(term)
    numbered = _NUMBERED.fullmatch(term)
    if known is None and numbered:
        known = python_encoding.get(f"ISO_IR {numbered[2]}") or python_encoding.get(f"ISO 2022 IR {numbered[2]}")
    known = known or _NOT_DEFINED.get(term)
    return UNDECLARED if known is None or known == "iso8859" else known


def _plainly(value: bytes, codec: str) -> str:
    if codec != UNDECLARED:
        return value.decode(codec, "replace")
    try:
        return value.decode("utf_8")
    except UnicodeDecodeError:
        return value.decode("latin_1")


def _escaped(part: bytes, first: str) -> str:
    """Decode what follows one escape sequence; a delimiter leads back to the first codec."""
    head = part[:4] if part[:3] in {b"\x1b$(", b"\x1b$)"} else part[:3]
    codec = _ISO_2022.get(head)
    if codec is None:
        return _plainly(part[1:], first)
    if codec in _WHOLE:
        return part.decode(codec, "replace")
    text = part[len(head) :]
    end = next((at for at, byte in enumerate(text) if byte in DELIMITERS), len(text))
    return _plainly(text[:end], codec) + _plainly(text[end:], first)
