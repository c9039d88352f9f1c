"""Text of others, made printable: a report never fails because of a letter that its reader did not write.

The structured report keeps such text as it came; only the printed one replaces what no font can show.
"""

from __future__ import annotations

import re

from sr_reports.prose import is_unprintable

LOST = "\ufffd"
"""What cannot be shown, until `shown` puts the sign on paper in its place."""
SIGN = "□"
REPLACED: dict[str, str] = {  # what word processors mean by characters for private use (Symbol, Wingdings)
    "\uf0b7": "•",
    "\uf0a7": "•",
    "\uf0a8": "•",
    "\uf0d8": "•",
    "\uf076": "•",
    "\uf06f": "•",
    "\uf02d": "–",
    "\uf0e0": "→",
    "\uf0e8": "→",
    "\uf0fc": "✓",
    "\uf0b0": "°",
    "\uf0b1": "±",
    "\uf0b3": "≥",
    "\uf0a3": "≤",
    "\uf06d": "µ",
    "\uf0ae": "→",
}
_DIRECTIONS = "\u202a-\u202e\u2066-\u2069"  # they can turn a number around: 12 read as 21
_OF_PICTOGRAPHS = "\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"  # style, skin, flags of regions
_DROPPED = re.compile(f"[{_DIRECTIONS}{_OF_PICTOGRAPHS}]")
_JOINED = re.compile("(?<=[\u2190-\u2bff\U0001f000-\U0001faff])\u200d")  # elsewhere the joiner shapes letters


def printable(text: str) -> str:
    """`text` with REPLACED applied, without controls of direction, and LOST for everything that cannot be shown."""
    kept = _JOINED.sub("", _DROPPED.sub("", text))
    replaced = (REPLACED.get(char, char) for char in kept)
    return "".join(LOST if is_unprintable(char) else char for char in replaced)


def shown(text: str) -> str:
    """`text` as it goes on paper: SIGN for what is LOST."""
    return text.replace(LOST, SIGN)
