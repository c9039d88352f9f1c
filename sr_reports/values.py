"""Our own text in DICOM's value representations (PS3.5 6.2): what is too long is cut, what divides is replaced."""

from __future__ import annotations

from sr_reports.prose import one_line


def short(text: str) -> str:
    """Text for SH, at most 16 characters."""
    return _line(text, 16)


def long(text: str) -> str:
    """Text for LO, at most 64 characters."""
    return _line(text, 64)


def person_name(text: str) -> str:
    """Text for PN: at most 64 characters in each group; a name without components is marked as one by a "^"."""
    groups = [_line(group, 63) for group in text.split("=")[:3]]
    return "=".join(group if "^" in group or not group else f"{group}^" for group in groups)


def crlf(text: str) -> str:
    """Text for UT, whose lines end in CR LF (PS3.5 6.1.3)."""
    return text.replace("\n", "\r\n")


def _line(text: str, length: int) -> str:
    return one_line(text).replace("\\", "/")[:length].rstrip()
