"""UIDs in URLs and queries: checked before anything is done with them (PS3.5 section 9.1)."""

from __future__ import annotations

import re

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")


def is_uid(text: str) -> bool:
    """Whether the text is a UID as DICOM requires it."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None
