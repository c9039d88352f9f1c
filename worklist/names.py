"""Whether two person names may be one person's."""

from __future__ import annotations

import unicodedata


def same_name(one: str, other: str) -> bool:
    """Compare the first component group that both have: alphabetic, ideographic, phonetic (PS3.5 6.2.1.1).

    What two systems may write differently makes no difference: case, spaces, empty components at the end, a group that
    one of them leaves out. Without a group that both have only two empty names are the same.
    """
    groups, others = _groups(one), _groups(other)
    common = [pair for pair in zip(groups, others, strict=False) if all(pair)]
    return common[0][0] == common[0][1] if common else not any(groups) and not any(others)


def _groups(name: str) -> list[str]:
    return [_plain(group) for group in name.split("=")]


def _plain(group: str) -> str:
    parts = (" ".join(unicodedata.normalize("NFKC", part).split()) for part in group.split("^"))
    return "^".join(parts).rstrip("^ ").casefold()
